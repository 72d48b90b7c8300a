import { type SourceKind } from '../trace.js';
import { type Entity, IdentifierIndex } from './identifiers.js';
import { timesIn } from './times.js';
import { type TraceCollection } from './trace-collection.js';

/** How far apart two lines may stand that one request has written: other requests write in between. */
const maxDistance = 8;

/** A file that was written line by line. */
export interface Lines {
  readonly kind: SourceKind;
  readonly source: string;
  readonly lines: readonly string[];
}

/** Keyed hashes of addresses, and the addresses themselves, as `entity.id`. */
export function addressIndex(pseudonyms: ReadonlyMap<string, string>): IdentifierIndex {
  const addresses = new Map([...pseudonyms.values()].map((address) => [address, address]));
  return new IdentifierIndex({ user: new Map([...pseudonyms, ...addresses]), connection: new Map() });
}

/** What a file tells about the entities that its lines name: where they stand in it, when, and what stands beside them. */
export function traceLines(
  { kind, source, lines }: Lines,
  index: IdentifierIndex,
  addresses: IdentifierIndex,
  into: TraceCollection,
): void {
  const times = lines.map((line) => timesIn(line));
  const addressesOf = lines.map((line) => [...addresses.find(line)].map(({ id }) => id));
  for (const [position, line] of lines.entries()) {
    const entities = index.find(line);
    if (entities.size === 0) continue;
    into.addNumber({ kind, source }, `position in ${source}`, entities, position);
    for (const ms of times[position] ?? []) into.addTime({ kind, source }, entities, ms);
    // A line may tell the time for those after it: a limit that lasts a minute from now, a time stamp.
    const before = lastBefore(times, position);
    for (const ms of before ?? []) into.addTime({ kind, source: `${source} (line before)` }, entities, ms);
    const address = lastBefore(addressesOf, position + 1) ?? firstAfter(addressesOf, position);
    addCategories(kind, `${source} (address)`, entities, address, into);
  }
}

function addCategories(
  kind: SourceKind,
  source: string,
  entities: ReadonlySet<Entity>,
  values: readonly string[] = [],
  into: TraceCollection,
): void {
  for (const value of values) into.addCategory({ kind, source }, entities, value);
}

function lastBefore<Value>(lines: readonly (readonly Value[])[], position: number): readonly Value[] | undefined {
  return lines.slice(Math.max(0, position - maxDistance), position).findLast((values) => values.length > 0);
}

function firstAfter<Value>(lines: readonly (readonly Value[])[], position: number): readonly Value[] | undefined {
  return lines.slice(position + 1, position + 1 + maxDistance).find((values) => values.length > 0);
}
