/** The one place that reads what Prisma and the PostgreSQL driver throw. */

interface StoreError extends Error {
  readonly code?: unknown;
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
}

/** Whether Prisma threw it: a statement failed, whatever the reason. */
export function isStoreError(error: unknown): error is Error {
  return error instanceof Error && error.name.startsWith('Prisma');
}

/**
 * PostgreSQL cannot be reached or is going away. Prisma's codes: P1xxx (connection), P2024 (pool timeout), P2028
 * (transaction lost); SQLSTATE classes 08 (connection), 53 (resources), 57P (operator intervention), 40001 and 40P01
 * (serialisation and deadlock: the statement did nothing). https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export function isStoreOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, meta, name }: StoreError = error;
  if (name === 'PrismaClientInitializationError' || driverMessages.test(error.message)) return true;
  const { cause } = meta?.driverAdapterError ?? {};
  if (adapterKinds.has(cause?.kind)) return true;
  const codes = [code, meta?.code, cause?.code].filter((value) => typeof value === 'string');
  return codes.some((value) =>
    /^(P1\d{3}|P2024|P2028|08\w{3}|53\w{3}|57P\w{2}|40001|40P01|ECONN\w+|EPIPE|ETIMEDOUT)$/.test(value),
  );
}

/** Whether a row with the same unique columns was there. */
export function isUniqueViolation(error: unknown): boolean {
  return causeOf(error)?.kind === 'UniqueConstraintViolation';
}

/** Name of the foreign key by which a statement referred to a row that is not there; undefined for any other error. */
export function violatedForeignKey(error: unknown): string | undefined {
  const { kind, constraint } = causeOf(error) ?? {};
  return kind === 'ForeignKeyConstraintViolation' ? String(constraint?.index) : undefined;
}

function causeOf(error: unknown) {
  return error instanceof Error ? (error as StoreError).meta?.driverAdapterError?.cause : undefined;
}

/** What the driver (pg and pg-pool) says when a connection is not to be had, or is lost or silent: these have no code. */
const driverMessages =
  /^(timeout exceeded when trying to connect|timeout expired|Query read timeout|Connection terminated.*|Client .* is not queryable)$/;

/** What Prisma's adapter makes of socket errors, SQLSTATE 53300 and 40001 in a raw query: these have a kind instead. */
const adapterKinds: ReadonlySet<unknown> = new Set([
  'ConnectionClosed',
  'DatabaseNotReachable',
  'SocketTimeout',
  'TooManyConnections',
  'TransactionWriteConflict',
]);
