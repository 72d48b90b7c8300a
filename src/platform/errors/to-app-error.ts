import { AppError } from './app-error.js';
import { isStoreOutage } from './store-errors.js';

interface FrameworkError extends Error {
  readonly statusCode?: unknown;
  readonly getStatus?: () => number;
}

/** What an error thrown by the framework or a store means for a client; undefined when it is our own fault. */
export function toAppError(error: unknown): AppError | undefined {
  if (error instanceof AppError) return error;
  if (!(error instanceof Error)) return undefined;
  return isStoreOutage(error) ? storeOutage() : fromFramework(error);
}

function storeOutage(): AppError {
  return new AppError('unavailable', 'A store does not answer. Nothing was lost; try again.', {
    headers: { 'retry-after': '1' },
  });
}

function fromFramework(error: FrameworkError): AppError | undefined {
  const status = error.getStatus?.() ?? error.statusCode;
  switch (status) {
    case 413:
      return new AppError('body_too_large', 'The body is larger than this endpoint takes.');
    case 415:
      return new AppError(
        'unsupported_media_type',
        'Send the body as application/json, unless the endpoint says otherwise.',
      );
    case 404:
      return new AppError('not_found', 'No endpoint has this path. The reference is at /docs.');
    case 400:
      return new AppError('malformed_body', 'The request cannot be read: expected a well-formed JSON document.');
    default:
      return typeof status === 'number' && status >= 400 && status < 500
        ? new AppError('invalid_request', 'The request cannot be read.')
        : undefined;
  }
}
