import { type Background } from '../platform/background/index.js';
import { type Readiness } from '../platform/health/index.js';

/** The first version with `RETURNING old.…, new.…`, which statements of this service use. */
const minMajor = 18;

/** `num` has the form 180004 for 18.4. */
export const versionQuery = `SELECT current_setting('server_version_num')::int AS num`;

/** The server is too old for the statements of this service. */
class PostgresTooOld extends Error {
  constructor(database: string, version: number) {
    const found = `${Math.floor(version / 10_000)}.${version % 10_000}`;
    super(
      `The ${database} database runs PostgreSQL ${found}, but ${minMajor} or later is required. Upgrade the server.`,
    );
  }
}

/** @throws {PostgresTooOld} */
export function refuseOldPostgres(database: string, [row]: readonly { readonly num: number }[]): void {
  if (row !== undefined && row.num < minMajor * 10_000) throw new PostgresTooOld(database, row.num);
}

/**
 * Refuses to start on a server that is too old, and reports not ready on one. A server that does not answer does not stop the
 * start, since it may come back.
 */
export function watchPostgres(
  database: string,
  readVersion: () => Promise<readonly { readonly num: number }[]>,
  { readiness, background }: { readonly readiness: Readiness; readonly background: Background },
): void {
  const check = async () => refuseOldPostgres(database, await readVersion());
  readiness.add({ name: `${database}-database`, needed: true, check });
  background.add({
    start: () =>
      check().catch((error: unknown) => {
        if (error instanceof PostgresTooOld) throw error;
      }),
  });
}
