/** The part of a Prisma transaction that is used here, of either database. */
interface Transaction {
  $queryRaw<T>(query: TemplateStringsArray, ...values: unknown[]): Promise<T>;
}

interface Database<T extends Transaction> {
  $transaction<R>(work: (transaction: T) => Promise<R>, options: { timeout: number }): Promise<R>;
}

/**
 * Runs work on one replica at a time, under an advisory lock that ends with its transaction.
 *
 * @param lock names the kind of work; `name` names the work
 * @param afterwards runs after the work, in the lock's own transaction
 * @returns false when another replica is running the work
 */
export async function exclusively<T extends Transaction>(
  database: Database<T>,
  { lock, name }: { readonly lock: string; readonly name: string },
  work: () => Promise<void>,
  afterwards: (transaction: T) => Promise<unknown>,
): Promise<boolean> {
  return database.$transaction(
    async (transaction) => {
      const [row] = await transaction.$queryRaw<{ locked: boolean }[]>`
        SELECT pg_try_advisory_xact_lock(hashtext(${lock}), hashtext(${name})) AS locked`;
      if (row?.locked !== true) return false;
      await work();
      await afterwards(transaction);
      return true;
    },
    { timeout: 60_000 },
  );
}
