import { problems } from '../../../src/platform/errors/index.js';
import { type BadRequest } from './bad-requests.js';
import { type RawAnswer } from './http.js';

interface Problem {
  readonly type?: unknown;
  readonly title?: unknown;
  readonly status?: unknown;
  readonly detail?: unknown;
  readonly code?: unknown;
  readonly errors?: readonly { readonly field: string; readonly message: string }[];
}

const knownProblems: Readonly<Record<string, readonly [number, string] | undefined>> = problems;

/** Checks the answer to a bad request. Returns everything that is wrong with it; an empty list when it is a good refusal. */
export function faultsOf({ codes, statuses, field, request }: BadRequest, answer: RawAnswer): string[] {
  const problem = parse(answer.text);
  const { code, detail } = problem;
  const [status, title] = knownProblems[String(code)] ?? [];
  const secrets = Object.values(request.headers ?? {})
    .flat()
    .map((value) => value.replace(/^\w+ /, ''));
  const checks: [boolean, string][] = [
    [statuses.includes(answer.status), `status ${answer.status}, expected ${statuses.join(' or ')}`],
    [
      /^application\/problem\+json(; charset=utf-8)?$/.test(answer.headers['content-type'] ?? ''),
      `media type ${answer.headers['content-type']}`,
    ],
    [answer.headers['cache-control'] === 'no-store' || status === 431 || status === undefined, 'may be cached'],
    [codes?.includes(String(code)) ?? status !== undefined, `code ${String(code)}, expected ${codes?.join(' or ')}`],
    [problem.status === answer.status && status === answer.status, `status in the body ${String(problem.status)}`],
    [
      problem.title === title && problem.type === `urn:problem:${String(code)}`,
      'title or type do not belong to the code',
    ],
    [typeof detail === 'string' && /^.{15,500}$/.test(detail), `detail ${String(detail).slice(0, 600)}`],
    [code !== 'invalid_request' || saysWhatWasExpected(detail), `does not say what was expected: ${String(detail)}`],
    [field === undefined || namesField(field, problem), `does not name ${field}: ${answer.text.slice(0, 200)}`],
    [answer.text.length < 4_096, `an answer of ${answer.text.length} characters`],
    [!secrets.some((secret) => secret.length > 20 && answer.text.includes(secret)), 'quotes a credential'],
  ];
  return checks.filter(([passed]) => !passed).map(([, fault]) => fault);
}

const saysWhatWasExpected = (detail: unknown) =>
  /expected|expects|unknown|unrecognized|too (big|small|long|short)/i.test(String(detail));

function namesField(field: string, { errors = [], detail }: Problem): boolean {
  const [name = ''] = field.split('.');
  return (
    errors.some((error) => error.field.startsWith(name) || error.message.includes(name)) && String(detail).length > 0
  );
}

function parse(text: string): Problem {
  try {
    return JSON.parse(text) as Problem;
  } catch {
    return {};
  }
}
