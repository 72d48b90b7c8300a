import { AppError } from './app-error.js';

interface ForeignError {
  readonly name: string;
  readonly code?: unknown;
  readonly statusCode?: unknown;
  readonly message: string;
  readonly meta?: {
    readonly code?: unknown;
    readonly driverAdapterError?: {
      readonly cause?: {
        readonly code?: unknown;
        readonly kind?: unknown;
        readonly constraint?: { readonly index?: unknown };
      };
    };
  };
  readonly getStatus?: () => number;
}

/** What an error thrown by the framework or a store means for a client; undefined when it is our own fault. */
export function toAppError(error: unknown): AppError | undefined {
  if (error instanceof AppError) return error;
  if (!(error instanceof Error)) return undefined;
  const foreign: ForeignError = error;
  if (isStoreOutage(foreign)) return storeOutage();
  if (isOfNobody(foreign)) return new AppError('invalid_id_token', 'The account no longer exists.');
  return fromFramework(foreign);
}

/**
 * PostgreSQL cannot be reached or is going away. Prisma's codes: P1xxx (connection), P2024 (pool timeout), P2028
 * (transaction lost); SQLSTATE classes 08 (connection), 53 (resources), 57P (operator intervention), 40001 and 40P01
 * (serialisation and deadlock: the statement did nothing). https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export function isStoreOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, meta, name } = error as ForeignError;
  if (name === 'PrismaClientInitializationError' || wordsOfTheDriver.test(error.message)) return true;
  const { cause } = meta?.driverAdapterError ?? {};
  if (kindsOfTheAdapter.has(cause?.kind)) return true;
  const codes = [code, meta?.code, cause?.code].filter((value) => typeof value === 'string');
  return codes.some((value) =>
    /^(P1\d{3}|P2024|P2028|08\w{3}|53\w{3}|57P\w{2}|40001|40P01|ECONN\w+|EPIPE|ETIMEDOUT)$/.test(value),
  );
}

/** Written for a person who was erased after their token was looked at: their row is what every such constraint refers to. */
function isOfNobody({ meta }: ForeignError): boolean {
  const { kind, constraint } = meta?.driverAdapterError?.cause ?? {};
  return kind === 'ForeignKeyConstraintViolation' && String(constraint?.index).endsWith('_user_id_fkey');
}

/** What the driver (pg and pg-pool) says when a connection is not to be had, or is lost or silent: these have no code. */
const wordsOfTheDriver =
  /^(timeout exceeded when trying to connect|timeout expired|Query read timeout|Connection terminated.*|Client .* is not queryable)$/;

/** What Prisma's adapter makes of socket errors, SQLSTATE 53300 and 40001 in a raw query: these have a kind instead. */
const kindsOfTheAdapter: ReadonlySet<unknown> = new Set([
  'ConnectionClosed',
  'DatabaseNotReachable',
  'SocketTimeout',
  'TooManyConnections',
  'TransactionWriteConflict',
]);

function storeOutage(): AppError {
  return new AppError('unavailable', 'A store does not answer. Nothing was lost; try again.', {
    headers: { 'retry-after': '1' },
  });
}

function fromFramework(error: ForeignError): AppError | undefined {
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
