import { isName, type Row, type Table } from './catalog.js';
import { type Entity, type IdentifierIndex } from './identifiers.js';
import { timesIn } from './times.js';

/** The users and connections that a row is about. */
export type Attribution = ReadonlyMap<Row, ReadonlySet<Entity>>;

/**
 * Finds out which rows are about which users and connections.
 *
 * A row names them; or it refers to a row that is about them; or it names something that only such a row has, as a webhook's
 * event names the Stripe customer of one user. The last is what a thief does first: a natural join over unique columns. The
 * index learns these names, and so finds them in Redis, logs and memory as well.
 */
export function attributeRows(tables: readonly Table[], index: IdentifierIndex): Attribution {
  const owners = new Map<Row, Set<Entity>>();
  for (;;) {
    for (const { rows } of tables) {
      for (const row of rows) addAll(owners, row, index.find(row.values.filter((value) => value !== null).join('\n')));
    }
    while (tables.map((table) => followForeignKeys(table, owners)).some(Boolean));
    if (!tables.map((table) => learnUniqueValues(table, owners, index)).some(Boolean)) return owners;
  }
}

/** A row is about whatever the rows are about that it refers to. @returns whether it found anything new */
function followForeignKeys({ rows, foreignKeys }: Table, owners: Map<Row, Set<Entity>>): boolean {
  let hasChanged = false;
  for (const { columns, target, targetColumns } of foreignKeys) {
    const targets = rowsByKey(target, targetColumns);
    for (const row of rows) {
      const referenced = targets.get(keyOf(row, columns) ?? '');
      const entities = referenced && owners.get(referenced);
      if (entities !== undefined && addAll(owners, row, entities)) hasChanged = true;
    }
  }
  return hasChanged;
}

function learnUniqueValues(table: Table, owners: Map<Row, Set<Entity>>, index: IdentifierIndex): boolean {
  const unique = table.columns.flatMap(({ isUnique }, column) => (isUnique ? [column] : []));
  let hasLearnt = false;
  for (const row of table.rows) {
    const [entity, ...others] = owners.get(row) ?? [];
    // A row about several entities identifies none of them.
    if (entity === undefined || others.length > 0) continue;
    for (const column of unique) {
      const value = row.values[column]?.replace(/^\\x/, '');
      if (value !== undefined && isName(value) && timesIn(value).length === 0 && index.learn(value, entity))
        hasLearnt = true;
    }
  }
  return hasLearnt;
}

export function rowsByKey({ rows }: Table, columns: readonly number[]): Map<string, Row> {
  return new Map(rows.map((row) => [keyOf(row, columns) ?? 'null', row]));
}

/** @returns undefined if a column of the key is null: then the row refers to nothing */
export function keyOf({ values }: Row, columns: readonly number[]): string | undefined {
  const parts = columns.map((column) => values[column]);
  return parts.includes(null) ? undefined : JSON.stringify(parts);
}

function addAll(owners: Map<Row, Set<Entity>>, row: Row, entities: ReadonlySet<Entity>): boolean {
  if (entities.size === 0) return false;
  const known = owners.get(row) ?? new Set();
  const before = known.size;
  for (const entity of entities) known.add(entity);
  owners.set(row, known);
  return known.size > before;
}
