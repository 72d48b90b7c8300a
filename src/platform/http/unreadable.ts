import { STATUS_CODES } from 'node:http';
import { type Socket } from 'node:net';
import { AppError, problemMediaType } from '../errors/index.js';

/** What never becomes a request: a path with broken percent-encoding, or bytes that are not HTTP. */
export const unreadable = new AppError(
  'malformed_request',
  'Expected a request line and headers in well-formed HTTP/1.1.',
);

/** A request that is late: its headers or its body have not come to an end. */
export const incomplete = new AppError('request_incomplete', 'Expected the whole request sooner. Send it again.');

/** https://nodejs.org/api/http.html#event-clienterror */
const problems: Readonly<Record<string, AppError | undefined>> = {
  HPE_HEADER_OVERFLOW: new AppError('headers_too_large', 'Expected at most 16 KiB of request line and headers.'),
  ERR_HTTP_REQUEST_TIMEOUT: incomplete,
};

/** Answers, and closes, a connection on which no request could be read. */
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
