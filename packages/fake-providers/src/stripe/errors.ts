/** `error` of an answer. https://docs.stripe.com/api/errors */
export interface ErrorBody {
  readonly type: 'api_error' | 'card_error' | 'idempotency_error' | 'invalid_request_error';
  readonly message: string;
  readonly code?: string;
  readonly decline_code?: string;
  readonly param?: string;
  readonly payment_intent?: object;
}

/** What the API refuses with. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly body: ErrorBody,
  ) {
    super(body.message);
  }
}

/** The request makes no sense, or not now. */
export function invalid(message: string, details: { code?: string; param?: string; status?: number } = {}): ApiError {
  const { status = 400, ...rest } = details;
  return new ApiError(status, { type: 'invalid_request_error', message, ...rest });
}

/** 404 where the path names the object, 400 where a parameter does. https://docs.stripe.com/error-codes#resource-missing */
export function missing(kind: string, id: string, param = 'id'): ApiError {
  const status = param === 'id' ? 404 : 400;
  return invalid(`No such ${kind}: '${id}'`, { code: 'resource_missing', param, status });
}
