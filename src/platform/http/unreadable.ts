import { STATUS_CODES } from 'node:http';
import { type Socket } from 'node:net';
import { AppError, problemMediaType } from '../errors/index.js';

/** For bytes that never become a request: broken percent-encoding in a path, or no HTTP at all. */
export const unreadable = new AppError(
  'malformed_request',
  'Expected a request line and headers in well-formed HTTP/1.1.',
);

/** For a request whose headers or body did not arrive in time. */
export const incomplete = new AppError(
  'request_incomplete',
  'The headers or the body did not arrive in time. Send the request again.',
);

/** https://nodejs.org/api/http.html#event-clienterror */
const problems: Readonly<Record<string, AppError | undefined>> = {
  HPE_HEADER_OVERFLOW: new AppError('headers_too_large', 'Expected at most 16 KiB of request line and headers.'),
  ERR_HTTP_REQUEST_TIMEOUT: incomplete,
};

/** Answers on a connection that carried no readable request, and closes it. */
export function refuseUnreadable(error: Error & { readonly code?: string }, socket: Socket): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const problem = problems[error.code ?? ''] ?? unreadable;
  const body = JSON.stringify(problem.toDocument());
  socket.end(
    [
      `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
      `Content-Type: ${problemMediaType}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Cache-Control: no-store',
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}
