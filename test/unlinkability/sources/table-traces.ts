import { type Attribution, keyOf, rowsByKey } from './attribution.js';
import { type Column, type Row, type Table } from './catalog.js';
import { cellsOf, elementsOf } from './cells.js';
import { type Entity } from './identifiers.js';
import { timeOfNumber, timesIn } from './times.js';
import { type Place, type TraceCollection } from './trace-collection.js';

/** A value that was found for some entities: in their own row, or in a row that it refers to. */
interface Found {
  readonly entities: ReadonlySet<Entity>;
  readonly text: string;
}

const timeTypes = /^(date|timestamp)/;
const number = /^-?\d{1,18}(\.\d+)?$/;

/** Values are few if every one stands for several rows on average, or if there are not many anyway. */
const fewValues = (rows: number) => Math.max(16, rows / 4);
/** Numbers have an order worth looking at if they are more than a handful. */
const minNumbers = 8;

/**
 * What one table tells about the entities that its rows are about: each column, and what PostgreSQL itself keeps of each row.
 *
 * @param name as `Table.name`, but different for each table
 * @param commitTimes of the cluster's transactions, in Unix milliseconds by the machine's clock
 */
export function traceTable(
  table: Table,
  name: string,
  owners: Attribution,
  commitTimes: ReadonlyMap<number, number>,
  into: TraceCollection,
): void {
  const about = table.rows.filter((row) => owners.has(row));
  if (about.length === 0) return;
  traceStorage(table, name, owners, commitTimes, into);
  for (const [index, column] of table.columns.entries()) {
    const source = `${name}.${column.name}`;
    const texts = about.map((row) => ({ entities: owners.get(row) ?? new Set(), text: row.values[index] ?? null }));
    traceColumn(column, source, texts, into);
  }
  for (const [source, column, texts] of referencedColumns(table, name, owners)) {
    const found = texts.filter((each) => isFound(each));
    if (isCategory(found)) addCategories({ kind: 'column', source }, column, found, into);
  }
}

/** The position of each row and its transactions, which PostgreSQL keeps for every table. */
function traceStorage(
  { cluster, columns, rows }: Table,
  name: string,
  owners: Attribution,
  commitTimes: ReadonlyMap<number, number>,
  into: TraceCollection,
): void {
  const addTransaction = (field: string, xid: number, entities: ReadonlySet<Entity>) => {
    // Below 3 there are no transactions: 2 is "frozen", older than all others.
    if (xid < 3) return;
    into.addNumber({ kind: 'transaction id', source: `${name}.${field}` }, `xid of ${cluster}`, entities, xid);
    const committed = commitTimes.get(xid);
    if (committed !== undefined)
      into.addTime({ kind: 'write-ahead log', source: `${name}.${field}` }, entities, committed);
  };
  for (const [position, row] of rows.entries()) {
    const entities = owners.get(row);
    if (entities === undefined) continue;
    into.addNumber({ kind: 'row order', source: name }, `rows of ${name}`, entities, position);
    addTransaction('xmin', row.xmin, entities);
    // When several transactions share a lock, xmax counts something else, which is far behind transaction ids.
    if (row.xmax >= row.xmin) addTransaction('xmax', row.xmax, entities);
    for (const [index, chunk] of row.toastChunks.entries()) {
      if (chunk === null) continue;
      const source = `${name}.${columns[index]?.name} (TOAST)`;
      into.addNumber({ kind: 'row order', source }, `object ids of ${cluster}`, entities, Number(chunk));
    }
  }
}

function traceColumn(
  column: Column,
  source: string,
  texts: readonly { readonly entities: ReadonlySet<Entity>; readonly text: string | null }[],
  into: TraceCollection,
): void {
  const byPath = new Map<string, Found[]>();
  for (const { entities, text } of texts) {
    for (const cell of text === null ? [] : cellsOf(column, text)) {
      const found = byPath.get(cell.path) ?? [];
      byPath.set(cell.path, found);
      found.push({ entities, text: cell.text });
    }
  }
  for (const [path, found] of byPath) traceValues(column, { kind: 'column', source: source + path }, found, into);
}

function traceValues(column: Column, place: Place, found: readonly Found[], into: TraceCollection): void {
  const isTimeColumn = timeTypes.test(column.type);
  const isNumeric = !isTimeColumn && found.every(({ text }) => number.test(text));
  const areTimes = isNumeric && found.every(({ text }) => timeOfNumber(Number(text)) !== undefined);
  if (isNumeric && !areTimes) {
    if (distinct(found) >= minNumbers) {
      const scale = column.sequence === null ? place.source : `sequence ${column.sequence}`;
      for (const { entities, text } of found) into.addNumber(place, scale, entities, Number(text));
    }
  } else {
    for (const { entities, text } of found) for (const ms of timesIn(text)) into.addTime(place, entities, ms);
  }
  if (isTimeColumn || areTimes) return;
  if (isCategory(found)) return addCategories(place, column, found, into);
  // Long numbers may name something. The others are the same on both sides by chance.
  for (const { entities, text } of found) {
    for (const element of elementsOf(column, text)) {
      if (!/^-?\d{0,7}$/.test(element)) into.addCandidate(place, entities, element);
    }
  }
}

function addCategories(place: Place, column: Column, found: readonly Found[], into: TraceCollection): void {
  for (const { entities, text } of found) {
    into.addCategory(place, entities, text);
    const elements = elementsOf(column, text);
    // The other side may have one of them as its only value.
    if (elements.length > 1) {
      const each = { kind: place.kind, source: `${place.source}[]` };
      for (const element of elements) into.addCandidate(each, entities, element);
    }
  }
}

/**
 * The columns of the rows that this table's rows refer to, such as the location of a connection's node. A thief of the tables
 * joins them. Rows that are about entities themselves have traces of their own.
 */
function* referencedColumns(
  { columns: own, foreignKeys, rows }: Table,
  name: string,
  owners: Attribution,
): Generator<[source: string, column: Column, texts: { entities: ReadonlySet<Entity>; text: string | null }[]]> {
  for (const { columns, target, targetColumns } of foreignKeys) {
    const targets = rowsByKey(target, targetColumns);
    const pairs = rows.flatMap((row): [ReadonlySet<Entity>, Row][] => {
      const entities = owners.get(row);
      const referenced = targets.get(keyOf(row, columns) ?? '');
      return entities === undefined || referenced === undefined || owners.has(referenced)
        ? []
        : [[entities, referenced]];
    });
    const through = columns.map((column) => own[column]?.name).join(', ');
    for (const [index, column] of target.columns.entries()) {
      if (targetColumns.includes(index)) continue;
      const source = `${name}.${through} → ${target.name}.${column.name}`;
      yield [source, column, pairs.map(([entities, row]) => ({ entities, text: row.values[index] ?? null }))];
    }
  }
}

const isFound = (each: { readonly entities: ReadonlySet<Entity>; readonly text: string | null }): each is Found =>
  each.text !== null;

const distinct = (found: readonly Found[]) => new Set(found.map(({ text }) => text)).size;

/** A category has few values, and at least one that several entities share. Otherwise its values are names. */
function isCategory(found: readonly Found[]): boolean {
  const values = distinct(found);
  if (values < 2 || values > fewValues(found.length)) return false;
  const owners = new Map<string, Entity>();
  return found.some(({ entities, text }) =>
    [...entities].some((entity) => {
      const owner = owners.get(text) ?? entity;
      owners.set(text, owner);
      return owner !== entity;
    }),
  );
}
