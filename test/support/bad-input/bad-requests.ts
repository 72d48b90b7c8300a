import { gzipSync } from 'node:zlib';
import { type Operation, type Parameter } from './api-document.js';
import { badBodies, toJson } from './bad-bodies.js';
import { badValues } from './bad-values.js';
import { type GoodRequest } from './good-requests.js';
import { type RawRequest } from './http.js';

/** A request with one flaw. */
export interface BadRequest {
  readonly flaw: string;
  readonly request: RawRequest;
  /** The problem codes that are right for this flaw. When absent, any code is. */
  readonly codes?: readonly string[];
  /** The statuses that are right for this flaw. */
  readonly statuses: readonly number[];
  /** The field that the answer must name. */
  readonly field?: string;
}

/** Makes all requests with one flaw that can be derived from the description of an endpoint. */
export function badRequests(operation: Operation, good: GoodRequest): BadRequest[] {
  return [
    ...(operation.body === undefined ? [] : bodies(operation, good)),
    ...(operation.body === undefined ? [] : mediaTypes(operation, good)),
    ...sizes(operation, good),
    ...(operation.credentials.length === 0 ? [] : authorizations(operation, good)),
    ...operation.optionalCredentials.flatMap((scheme) => optionalCredentials(operation, good, scheme)),
    ...operation.binaryBodies.flatMap((type) => binaryBodies(operation, good, type)),
    ...pathParameters(operation, good),
    ...queries(operation, good),
  ];
}

const json = { 'content-type': 'application/json' };

/** The good request. */
export function asSent({ method, path }: Operation, good: GoodRequest, body = good.bodies[0]): RawRequest {
  const filled = path.replace(/\{([^}]+)\}/g, (_, name: string) => encodeURIComponent(good.path[name] ?? name));
  const request = { method, path: filled, headers: good.headers };
  return body === undefined ? request : { ...request, headers: { ...good.headers, ...json }, body: toJson(body) };
}

/** The good request with a binary body. */
export function asBinary(operation: Operation, good: GoodRequest, type: string): RawRequest {
  const body = good.binary[type];
  if (body === undefined) throw new Error(`test/support/bad-input/good-requests.ts needs a good ${type}`);
  return { ...asSent(operation, good), headers: { ...good.headers, 'content-type': type }, body };
}

/** The good request with a credential that the endpoint does not require. */
export function withOptionalCredential(operation: Operation, good: GoodRequest, scheme: string): RawRequest {
  const optional = good.optional[scheme];
  if (optional === undefined) throw new Error(`test/support/bad-input/good-requests.ts needs a good ${scheme}`);
  return asSent(operation, { ...good, headers: optional.headers }, optional.body);
}

function binaryBodies(operation: Operation, good: GoodRequest, type: string): BadRequest[] {
  const sent = asBinary(operation, good, type);
  const body = Buffer.from(sent.body ?? '');
  const bad: Record<string, Buffer | string> = {
    nothing: '',
    'a byte': body.subarray(0, 1),
    'the first byte missing': body.subarray(1),
    'the last byte missing': body.subarray(0, -1),
    'a byte too many': Buffer.concat([body, Buffer.of(0)]),
    'the body twice': Buffer.concat([body, body]),
    'only zeros': Buffer.alloc(body.length),
    'only ones': Buffer.alloc(body.length, 0xff),
    'another token type': Buffer.concat([Buffer.of(0, 1), body.subarray(2)]),
    'reversed bytes': Buffer.from(body).reverse(),
    'the body in base64url': body.toString('base64url'),
    'the JSON body': jsonBody(operation, good),
    'a path': '../../etc/passwd',
  };
  const large = { ...sent, body: Buffer.alloc(2 * 1024 * 1024) };
  return [
    ...Object.entries(bad).map(([flaw, badBody]) => ({
      flaw: `${type}: ${flaw}`,
      request: { ...sent, body: badBody },
      codes: ['invalid_token_request', 'malformed_body'],
      statuses: [400, 422],
    })),
    { flaw: `${type}: 2 MB`, request: large, codes: ['body_too_large'], statuses: [413] },
    {
      flaw: `${type}: compressed`,
      request: { ...sent, headers: { ...sent.headers, 'content-encoding': 'gzip' }, body: gzipSync(body) },
      codes: ['invalid_token_request', 'malformed_body', 'unsupported_media_type'],
      statuses: [400, 415, 422],
    },
    {
      flaw: `${type}: sent as application/json`,
      request: { ...sent, headers: { ...good.headers, ...json } },
      codes: ['malformed_body'],
      statuses: [400],
    },
  ];
}

const jsonBody = (operation: Operation, good: GoodRequest) => asSent(operation, good).body ?? '';

/** For schemes such as `PrivateToken`. The service must refuse a bad optional credential rather than ignore it. */
function optionalCredentials(operation: Operation, good: GoodRequest, scheme: string): BadRequest[] {
  const sent = withOptionalCredential(operation, good, scheme);
  const { authorization = '' } = { ...(sent.headers as Record<string, string>) };
  const [, before = '', text = '', after = ''] = /^(.*?)([A-Za-z0-9_-]{40,}=*)(.*)$/.exec(authorization) ?? [];
  const bytes = Buffer.from(text, 'base64url');
  const name = before.split(' ', 1)[0] ?? '';
  const withText = (other: string) => `${before}${other}${after}`;
  const bad: Record<string, string> = {
    'the scheme alone': name,
    'the scheme and a space': `${name} `,
    'no parameter': `${name} ${text}`,
    'another parameter': authorization.replace('token=', 'other='),
    nothing: withText(''),
    'a byte missing': withText(bytes.subarray(1).toString('base64url')),
    'a byte too many': withText(Buffer.concat([bytes, Buffer.of(0)]).toString('base64url')),
    'another token type': withText(Buffer.concat([Buffer.of(0, 1), bytes.subarray(2)]).toString('base64url')),
    'the other alphabet': withText(`${text.slice(0, -4)}+/+/`),
    'too much padding': withText(`${text}===`),
    'padding inside': withText(`${text.slice(0, 4)}=${text.slice(5)}`),
    'a space inside': withText(`${text.slice(0, 4)} ${text.slice(4)}`),
    'one quotation mark': authorization.replace(/"$/, ''),
    hexadecimal: withText(bytes.toString('hex')),
    '9,000 characters': withText('A'.repeat(9_000)),
    'an SQL injection': withText("' OR 1=1 --"),
  };
  const altered = Buffer.concat([bytes.subarray(0, -1), Buffer.of(bytes.readUInt8(bytes.length - 1) ^ 1)]);
  const requestWith = (value: string) => ({ ...sent, headers: { ...sent.headers, authorization: value } });
  return [
    ...Object.entries(bad).map(([flaw, value]) => ({
      flaw: `${scheme}: ${flaw}`,
      request: requestWith(value),
      codes: ['invalid_request'],
      statuses: [400],
    })),
    {
      flaw: `${scheme}: sent in the header and in the body`,
      request: asSent(operation, { ...good, headers: sent.headers as Record<string, string> }),
      codes: ['invalid_request'],
      statuses: [400],
    },
    { flaw: `${scheme}: altered`, request: requestWith(withText(altered.toString('base64url'))), statuses: [401] },
    { flaw: `${scheme}: in neither the header nor the body`, request: { ...sent, headers: json }, statuses: [401] },
  ];
}

function bodies(operation: Operation, good: GoodRequest): BadRequest[] {
  const { body = {} } = operation;
  return badBodies(body, good.bodies).map(({ flaw, text, field, codes }) => ({
    flaw,
    request: { ...asSent(operation, good), body: text },
    codes,
    statuses: [400],
    field,
  }));
}

function mediaTypes(operation: Operation, good: GoodRequest): BadRequest[] {
  const sent = asSent(operation, good);
  const refused = [
    'text/plain',
    'text/json',
    'application/xml',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonp',
    'application',
    '*/*',
    '',
    'application/octet-stream',
  ];
  return [
    ...refused.map((type) => ({
      flaw: `the media type "${type}"`,
      request: { ...sent, headers: { ...good.headers, 'content-type': type } },
      codes: ['unsupported_media_type'],
      statuses: [415],
    })),
    {
      flaw: 'no media type',
      request: { ...sent, headers: good.headers },
      codes: ['unsupported_media_type'],
      statuses: [415],
    },
    {
      flaw: 'a compressed body',
      request: { ...sent, headers: { ...sent.headers, 'content-encoding': 'gzip' }, body: gzipSync(sent.body ?? '') },
      codes: ['malformed_body', 'unsupported_media_type'],
      statuses: [400, 415],
    },
  ];
}

function sizes(operation: Operation, good: GoodRequest): BadRequest[] {
  const sent = asSent(operation, good);
  const large = `{"a":"${'a'.repeat(2 * 1024 * 1024)}"}`;
  const headers = { ...sent.headers, ...json };
  const tooLarge = { codes: ['body_too_large'], statuses: [413] };
  return [
    ...(operation.method === 'GET'
      ? []
      : [
          {
            flaw: 'a body of 2 MB',
            request: { ...sent, headers: { ...headers, 'content-length': String(large.length) }, body: large },
            ...tooLarge,
          },
          {
            flaw: 'a body of 2 MB without Content-Length',
            request: { ...sent, headers: { ...headers, 'transfer-encoding': 'chunked' }, body: large },
            ...tooLarge,
          },
        ]),
    {
      flaw: 'headers of 20 kB',
      request: { ...sent, headers: { ...sent.headers, 'x-long': 'a'.repeat(20_000) } },
      codes: ['headers_too_large'],
      statuses: [431],
    },
    {
      flaw: 'a path with 5,000 more characters',
      request: { ...sent, path: `${sent.path}/${'a'.repeat(5_000)}` },
      // 400: the longer path may match the pattern of another endpoint, whose path parameter is then too long.
      codes: ['not_found', 'malformed_request'],
      statuses: [404, 400],
    },
  ];
}

function authorizations(operation: Operation, good: GoodRequest): BadRequest[] {
  const sent = asSent(operation, good);
  const { authorization = '', ...others } = { ...(sent.headers as Record<string, string>) };
  const credential = authorization.replace(/^Bearer /, '');
  const at = Math.floor(credential.length / 2);
  const altered = `${credential.slice(0, at)}${credential[at] === 'A' ? 'B' : 'A'}${credential.slice(at + 1)}`;
  const bad: Record<string, string | readonly string[] | undefined> = {
    'no credential': undefined,
    'an empty Authorization': '',
    'the scheme alone': 'Bearer',
    'the scheme and a space': 'Bearer ',
    'another scheme': `Basic ${Buffer.from('user:password').toString('base64')}`,
    'an unknown scheme with a good credential': `Token ${credential}`,
    'a good credential without a scheme': credential,
    'a good credential followed by a word': `Bearer ${credential} more`,
    'two credentials in one header': `Bearer x, Bearer ${credential}`,
    'a bad header before the good one': ['Bearer x', authorization],
    'an altered credential': `Bearer ${altered}`,
    'a truncated credential': `Bearer ${credential.slice(0, -1)}`,
    'a credential of 9,000 characters': `Bearer ${'x'.repeat(9_000)}`,
    'a credential of non-ASCII characters': 'Bearer \u00e9\u00e9\u00e9',
    'an SQL injection': "Bearer ' OR 1=1 --",
    'a path': 'Bearer ../../etc/passwd',
    undefined: 'Bearer undefined',
    null: 'Bearer null',
  };
  // 404: the connection secret also identifies the connection, so an unknown secret is "not found".
  const statuses = [401, 404];
  return [
    ...Object.entries(bad).map(([flaw, value]) => ({
      flaw,
      request: { ...sent, headers: value === undefined ? others : { ...others, authorization: value } },
      statuses,
    })),
    {
      flaw: 'a good credential in the query',
      request: { ...sent, path: `${sent.path}?access_token=${credential}`, headers: others },
      statuses,
    },
  ];
}

/** Path parameters, already percent-encoded. */
const badIds = [
  'x',
  '0',
  '-1',
  'undefined',
  '%00',
  '..%2f..%2fhealth%2flive',
  '%F0%9F%92%A9',
  '%ff',
  '%zz',
  "'%20OR%201=1%20--",
  '5a5a5a5a-5a5a-4a5a-8a5a-5a5a5a5a5a5a',
  '5a5a5a5a-5a5a-4a5a-8a5a-5a5a5a5a5a5a%0a',
  '5a5a5a5a5a5a4a5a8a5a5a5a5a5a5a5a',
  'a'.repeat(300),
  '__proto__',
  'constructor',
];

function pathParameters(operation: Operation, good: GoodRequest): BadRequest[] {
  const sent = asSent(operation, good);
  const declared = operation.parameters.filter((parameter) => parameter.in === 'path');
  return declared.flatMap(({ name }) =>
    badIds.map((id) => ({
      flaw: `${name} is ${id.slice(0, 60)}`,
      request: { ...sent, path: sent.path.replace(encodeURIComponent(good.path[name] ?? name), id) },
      statuses: [400, 401, 403, 404],
    })),
  );
}

function queries(operation: Operation, good: GoodRequest): BadRequest[] {
  const declared = operation.parameters.filter((parameter) => parameter.in === 'query');
  if (declared.length === 0) return [];
  const sent = asSent(operation, good);
  const bad = [
    ...declared.flatMap(badQueries),
    { flaw: 'an unknown query parameter', query: 'surplus=1', field: 'surplus' },
  ];
  return bad.map(({ flaw, query, field }) => ({
    flaw,
    request: { ...sent, path: `${sent.path}?${query}` },
    codes: ['invalid_request'],
    statuses: [400],
    field,
  }));
}

function badQueries({ name, schema }: Parameter) {
  const values = badValues({ ...schema, type: 'string' }).flatMap(({ flaw, value }) =>
    // `sizes` covers longer values: the service refuses them because of their size.
    typeof value === 'string' && value.length < 10_000 ? [{ flaw, value }] : [],
  );
  const isNumber = [schema.type].flat().some((type) => type === 'number' || type === 'integer');
  const numbers = ['', 'x', '1x', 'NaN', 'Infinity', '1e400', '0x10', ' 1', '-1e300', '1e300'].map((value) => ({
    flaw: `"${value}"`,
    value,
  }));
  const all = (isNumber ? numbers : values).map(({ flaw, value }) => ({
    flaw,
    query: `${name}=${encodeURIComponent(value)}`,
  }));
  return [...all, { flaw: 'twice', query: `${name}=1&${name}=2` }].map(({ flaw, query }) => ({
    flaw: `query ${name}: ${flaw}`,
    query,
    field: name,
  }));
}
