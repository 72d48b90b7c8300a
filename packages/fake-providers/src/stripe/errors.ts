/** The `error` of a response. https://docs.stripe.com/api/errors */
export interface ErrorBody {
  readonly type: 'api_error' | 'card_error' | 'idempotency_error' | 'invalid_request_error';
  readonly message: string;
  readonly code?: string;
  readonly decline_code?: string;
  readonly param?: string;
  readonly payment_intent?: object;
}

/** An error response of the API. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly body: ErrorBody,
  ) {
    super(body.message);
  }
}

/** The request is invalid, or not possible in the current state. */
export function invalid(message: string, details: { code?: string; param?: string; status?: number } = {}): ApiError {
  const { status = 400, ...rest } = details;
  return new ApiError(status, { type: 'invalid_request_error', message, ...rest });
}

/** 404 when the path names the object, 400 when a parameter does. https://docs.stripe.com/error-codes#resource-missing */
export function missing(kind: string, id: string, param = 'id'): ApiError {
  const status = param === 'id' ? 404 : 400;
  return invalid(`No such ${kind}: '${id}'`, { code: 'resource_missing', param, status });
}
