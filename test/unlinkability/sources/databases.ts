import { join } from 'node:path';
import { type SeizedCluster } from '../evidence.js';
import { attributeRows } from './attribution.js';
import { readCluster, type Table } from './catalog.js';
import { type IdentifierIndex } from './identifiers.js';
import { traceTable } from './table-traces.js';
import { type TraceCollection } from './trace-collection.js';
import { readCommitTimes } from './write-ahead-log.js';
import { RowWrites } from './write-ahead-log-rows.js';

/** Every table of every cluster, and every write-ahead log. The index learns the names that only one user or connection has. */
export async function traceDatabases(
  clusters: readonly SeizedCluster[],
  index: IdentifierIndex,
  into: TraceCollection,
): Promise<void> {
  const contents = await Promise.all(clusters.map(({ name, ownerUrl }) => readCluster(name, ownerUrl)));
  const tables = contents.flatMap((cluster) => cluster.tables);
  const owners = attributeRows(tables, index);
  const nameOf = uniqueNames(tables);
  for (const cluster of contents) {
    const writes = new RowWrites(index.bytes);
    const commitTimes = readCommitTimes(join(cluster.dataFolder, 'pg_wal'), (record) => writes.see(record));
    for (const table of cluster.tables) traceTable(table, nameOf(table), owners, commitTimes, into);
    const names = new Map(cluster.tables.map((table) => [table.fileNumber, nameOf(table)]));
    for (const { entity, xid, fileNumber } of writes.found) {
      const place = {
        kind: 'write-ahead log',
        source: `rows written to ${names.get(fileNumber) ?? 'other files'}`,
      } as const;
      const committed = commitTimes.get(xid);
      if (committed !== undefined) into.addTime(place, [entity], committed);
    }
  }
}

/** Names the database too where two databases have a table of the same name. */
function uniqueNames(tables: readonly Table[]): (table: Table) => string {
  const counts = new Map<string, number>();
  for (const { name } of tables) counts.set(name, (counts.get(name) ?? 0) + 1);
  return ({ cluster, database, name }) => (counts.get(name) === 1 ? name : `${name} (${cluster}/${database})`);
}
