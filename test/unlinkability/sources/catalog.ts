import pg from 'pg';

/** Leaves out PostgreSQL's own schemas. */
const ours = `n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'`;

export interface Column {
  readonly name: string;
  /** As PostgreSQL writes it without modifiers, such as `timestamp with time zone`. */
  readonly type: string;
  /** The sequence that its default draws from. */
  readonly sequence: string | null;
  /** A unique index covers this column alone, so that a value identifies a row. */
  readonly isUnique: boolean;
  /** Long values of this type are stored elsewhere, in numbered chunks. */
  readonly isToastable: boolean;
}

interface ForeignKey {
  readonly columns: readonly number[];
  readonly target: Table;
  readonly targetColumns: readonly number[];
}

export interface Row {
  /** All columns, as text. */
  readonly values: readonly (string | null)[];
  readonly xmin: number;
  /** The last transaction that locked the row, for instance to write another row that refers to it. 0: none. */
  readonly xmax: number;
  /** For each column, the number of the chunks that hold its value; null if the row itself holds it. */
  readonly toastChunks: readonly (string | null)[];
}

export interface Table {
  readonly cluster: string;
  readonly database: string;
  /** Such as `network."Connection"`. */
  readonly name: string;
  /** `pg_class.relfilenode`, by which the write-ahead log names it. */
  readonly fileNumber: number;
  readonly columns: readonly Column[];
  readonly foreignKeys: ForeignKey[];
  /** In the order of a sequential scan, as COPY and pg_dump give them. */
  readonly rows: readonly Row[];
}

/** What PostgreSQL says about a cluster. */
export interface ClusterContents {
  readonly tables: readonly Table[];
  readonly dataFolder: string;
}

/** Reads every row of every table of every database of a cluster. */
export async function readCluster(cluster: string, ownerUrl: string): Promise<ClusterContents> {
  const [databases, [settings]] = await withClient(ownerUrl, (client) =>
    Promise.all([
      rowsOf<{ name: string }>(
        client,
        'SELECT datname AS name FROM pg_database WHERE NOT datistemplate AND datallowconn ORDER BY 1',
      ),
      rowsOf<{ folder: string }>(client, `SELECT current_setting('data_directory') AS folder`),
    ]),
  );
  const tables: Table[] = [];
  for (const { name } of databases) {
    const url = new URL(ownerUrl);
    url.pathname = `/${encodeURIComponent(name)}`;
    tables.push(...(await withClient(url.href, (client) => readDatabase(client, cluster, name))));
  }
  return { tables, dataFolder: settings?.folder ?? '' };
}

async function withClient<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

async function rowsOf<Row extends pg.QueryResultRow>(client: pg.Client, sql: string): Promise<Row[]> {
  return (await client.query<Row>(sql)).rows;
}

async function readDatabase(client: pg.Client, cluster: string, database: string): Promise<Table[]> {
  // One form for all values, and a scan that begins at the first page, as in a backup.
  await client.query(`SET timezone = 'UTC'; SET datestyle = 'ISO'; SET bytea_output = 'hex'; SET extra_float_digits = 1;
    SET synchronize_seqscans = off; SET max_parallel_workers_per_gather = 0; SET enable_indexscan = off;
    SET enable_indexonlyscan = off; SET enable_bitmapscan = off`);
  const found = await rowsOf<{ oid: number; fileNumber: number; schema: string; table: string }>(
    client,
    `SELECT c.oid, pg_relation_filenode(c.oid) AS "fileNumber", n.nspname AS schema, c.relname AS table FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'm') AND ${ours} ORDER BY 3, 4`,
  );
  const tables = new Map<number, Table & { readonly numbers: readonly number[] }>();
  for (const { oid, fileNumber, schema, table } of found) {
    const columns = await readColumns(client, oid);
    const name = `${schema}.${pg.escapeIdentifier(table)}`;
    const rows = await readRows(client, `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`, columns);
    tables.set(oid, {
      cluster,
      database,
      name,
      fileNumber,
      columns,
      foreignKeys: [],
      rows,
      numbers: columns.map(({ attnum }) => attnum),
    });
  }
  const keys = await rowsOf<{ source: number; target: number; columns: number[]; targetColumns: number[] }>(
    client,
    `SELECT conrelid AS source, confrelid AS target, conkey AS columns, confkey AS "targetColumns"
     FROM pg_constraint WHERE contype = 'f'`,
  );
  for (const key of keys) {
    const [source, target] = [tables.get(key.source), tables.get(key.target)];
    if (source === undefined || target === undefined) continue;
    source.foreignKeys.push({
      columns: key.columns.map((number) => source.numbers.indexOf(number)),
      target,
      targetColumns: key.targetColumns.map((number) => target.numbers.indexOf(number)),
    });
  }
  inferForeignKeys([...tables.values()]);
  return [...tables.values()];
}

/** Shorter values, and numbers, occur in unrelated places by chance. */
export const isName = (value: string) => value.length >= 8 && /\D/.test(value);

/**
 * Adds the references that no constraint declares, as from a connection to its node: a column all of whose values are in a
 * unique column of another table.
 */
function inferForeignKeys(tables: readonly Table[]): void {
  const targets = tables.flatMap((target) =>
    target.columns.flatMap(({ isUnique }, column) =>
      isUnique ? [{ target, column, values: new Set(target.rows.map(({ values }) => values[column])) }] : [],
    ),
  );
  for (const source of tables) {
    for (const column of source.columns.keys()) {
      if (source.foreignKeys.some(({ columns }) => columns.includes(column))) continue;
      const values = new Set(source.rows.flatMap((row) => row.values[column] ?? []));
      if (values.size < 2 || ![...values].every(isName)) continue;
      for (const { target, column: targetColumn, values: known } of targets) {
        if (target === source || ![...values].every((value) => known.has(value))) continue;
        source.foreignKeys.push({ columns: [column], target, targetColumns: [targetColumn] });
      }
    }
  }
}

async function readColumns(client: pg.Client, table: number): Promise<(Column & { readonly attnum: number })[]> {
  return rowsOf(
    client,
    `SELECT a.attnum, a.attname AS name, format_type(a.atttypid, NULL) AS type, a.attstorage <> 'p' AS "isToastable",
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indnkeyatts = 1
         AND i.indkey[0] = a.attnum) AS "isUnique",
       (SELECT s.relname FROM pg_class s JOIN pg_depend d ON s.relkind = 'S' WHERE
          -- A default that calls nextval() depends on the sequence; the sequence of an identity column depends on the column.
          d.refclassid = 'pg_class'::regclass AND d.refobjid = s.oid AND d.classid = 'pg_attrdef'::regclass
            AND d.objid = (SELECT f.oid FROM pg_attrdef f WHERE f.adrelid = a.attrelid AND f.adnum = a.attnum)
          OR d.deptype = 'i' AND d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.refobjid = a.attrelid
            AND d.refobjsubid = a.attnum
        LIMIT 1) AS sequence
     FROM pg_attribute a WHERE a.attrelid = ${table} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1`,
  );
}

async function readRows(client: pg.Client, table: string, columns: readonly Column[]): Promise<Row[]> {
  const names = columns.map(({ name }) => pg.escapeIdentifier(name));
  const chunks = columns.map(({ isToastable }, index) =>
    isToastable ? `pg_column_toast_chunk_id(${names[index]})::text` : 'NULL',
  );
  const values = names.map((name) => `${name}::text`);
  const text = `SELECT ${['xmin::text', 'xmax::text', ...values, ...chunks].join(', ')} FROM ONLY ${table}`;
  const { rows } = await client.query<(string | null)[]>({ text, rowMode: 'array' });
  return rows.map(([xmin, xmax, ...cells]) => ({
    values: cells.slice(0, columns.length),
    xmin: Number(xmin),
    xmax: Number(xmax),
    toastChunks: cells.slice(columns.length),
  }));
}
