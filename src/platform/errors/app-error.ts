import { type ProblemCode, problems } from './problems.js';

export interface AppErrorOptions {
  /** Response headers, such as `retry-after`; lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Members added to the problem document (RFC 9457 §3.2). */
  readonly extras?: Readonly<Record<string, unknown>>;
}

/** RFC 9457 §6.1. */
export const problemMediaType = 'application/problem+json';

/** RFC 9457 §3.1, with `code` as the member that programs read. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ProblemCode;
  readonly [extra: string]: unknown;
}

/**
 * The only error that is rendered for clients. Every other error is a fault of the service: the answer is 500 without detail.
 * `detail` says what was wrong and what was expected. It never repeats a secret.
 */
export class AppError extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  private readonly extras: Readonly<Record<string, unknown>>;

  constructor(
    readonly code: ProblemCode,
    readonly detail: string,
    { headers = {}, extras = {} }: AppErrorOptions = {},
  ) {
    super(`${code}: ${detail}`);
    this.name = 'AppError';
    this.status = problems[code][0];
    this.headers = headers;
    this.extras = extras;
  }

  toDocument(): ProblemDocument {
    const [status, title] = problems[this.code];
    return { type: `urn:problem:${this.code}`, title, status, detail: this.detail, code: this.code, ...this.extras };
  }
}
