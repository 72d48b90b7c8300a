import { AppError } from './app-error.js';
import { isStoreOutage } from './store-errors.js';

interface FrameworkError extends Error {
  readonly statusCode?: unknown;
  readonly getStatus?: () => number;
}

/** Translates errors of the framework and of stores. Undefined for an error that is a fault of the service. */
export function toAppError(error: unknown): AppError | undefined {
  if (error instanceof AppError) return error;
  if (!(error instanceof Error)) return undefined;
  return isStoreOutage(error) ? storeOutage() : fromFramework(error);
}

function storeOutage(): AppError {
  return new AppError('unavailable', 'A database of the service does not answer. Nothing was lost. Try again.', {
    headers: { 'retry-after': '1' },
  });
}

function fromFramework(error: FrameworkError): AppError | undefined {
  const status = error.getStatus?.() ?? error.statusCode;
  switch (status) {
    case 413:
      return new AppError('body_too_large', 'The body is larger than this endpoint accepts. Send less.');
    case 415:
      return new AppError(
        'unsupported_media_type',
        'Send the body as application/json, unless the API reference names another type.',
      );
    case 404:
      return new AppError('not_found', 'No endpoint has this path. See the API reference at /docs.');
    case 400:
      return new AppError('malformed_body', 'Expected a well-formed JSON document.');
    default:
      return typeof status === 'number' && status >= 400 && status < 500
        ? new AppError('invalid_request', 'The request cannot be read.')
        : undefined;
  }
}
