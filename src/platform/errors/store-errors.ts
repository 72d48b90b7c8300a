/** The only file that inspects errors of Prisma and the PostgreSQL driver. */

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

/** Whether Prisma threw the error: a statement failed, for any reason. */
export function isStoreError(error: unknown): error is Error {
  return error instanceof Error && error.name.startsWith('Prisma');
}

/**
 * Whether PostgreSQL cannot be reached or is shutting down. Prisma's codes: P1xxx (connection), P2024 (pool timeout), P2028
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

/** Whether a row with the same unique columns exists already. */
export function isUniqueViolation(error: unknown): boolean {
  return causeOf(error)?.kind === 'UniqueConstraintViolation';
}

/** Name of the foreign key that a statement violated, because the referenced row does not exist; undefined for other errors. */
export function violatedForeignKey(error: unknown): string | undefined {
  const { kind, constraint } = causeOf(error) ?? {};
  return kind === 'ForeignKeyConstraintViolation' ? String(constraint?.index) : undefined;
}

function causeOf(error: unknown) {
  return error instanceof Error ? (error as StoreError).meta?.driverAdapterError?.cause : undefined;
}

/** Messages of the driver (pg and pg-pool) for a connection that cannot be opened, is lost or is silent: they have no code. */
const driverMessages =
  /^(timeout exceeded when trying to connect|timeout expired|Query read timeout|Connection terminated.*|Client .* is not queryable)$/;

/** What Prisma's adapter makes of socket errors, and of SQLSTATE 53300 and 40001 in a raw query: they have a kind, not a code. */
const adapterKinds: ReadonlySet<unknown> = new Set([
  'ConnectionClosed',
  'DatabaseNotReachable',
  'SocketTimeout',
  'TooManyConnections',
  'TransactionWriteConflict',
]);
