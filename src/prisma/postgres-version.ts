import { type Background } from '../platform/background/index.js';
import { type Readiness } from '../platform/health/index.js';

/** Statements ask what a row was and has become at once (`RETURNING old.…, new.…`), which came with this one. */
const oldestMajor = 18;

/** `num` is such as 180004 for 18.4. */
export const versionQuery = `SELECT current_setting('server_version_num')::int AS num`;

/** A server on which the service's statements fail. */
class PostgresTooOld extends Error {
  constructor(database: string, version: number) {
    const found = `${Math.floor(version / 10_000)}.${version % 10_000}`;
    super(`The ${database} database is on PostgreSQL ${found}: ${oldestMajor} or later is needed. Upgrade the server.`);
  }
}

/** @throws {PostgresTooOld} */
export function refuseOldPostgres(database: string, [row]: readonly { readonly num: number }[]): void {
  if (row !== undefined && row.num < oldestMajor * 10_000) throw new PostgresTooOld(database, row.num);
}

/**
 * Lets no process start on a server that is too old, nor be ready on one. A server that is away keeps nothing from starting:
 * it may come back.
 */
export function watchPostgres(
  database: string,
  ask: () => Promise<readonly { readonly num: number }[]>,
  { readiness, background }: { readonly readiness: Readiness; readonly background: Background },
): void {
  const check = async () => refuseOldPostgres(database, await ask());
  readiness.add({ name: `${database}-database`, needed: true, check });
  background.add({
    start: () =>
      check().catch((error: unknown) => {
        if (error instanceof PostgresTooOld) throw error;
      }),
  });
}
