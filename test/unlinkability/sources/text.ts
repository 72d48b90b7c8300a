import { type SourceKind } from '../trace.js';
import { type Entity, IdentifierIndex } from './identifiers.js';
import { timesIn } from './times.js';
import { type TraceCollection } from './trace-collection.js';

/** Shorter ones, and those of letters alone, say little about anyone. */
const words = /(?=[\w+/=.-]*\d)[\w+/=.-]{8,}/g;

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
  const beside = new Companions();
  for (const [position, line] of lines.entries()) {
    const entities = index.find(line);
    if (entities.size === 0) continue;
    into.addNumber({ kind, source }, `position in ${source}`, entities, position);
    for (const ms of times[position] ?? []) into.addTime({ kind, source }, entities, ms);
    // A line may tell the time for those after it: a limit that lasts a minute from now, a time stamp.
    const before = lastBefore(times, position);
    for (const ms of before ?? []) into.addTime({ kind, source: `${source} (line before)` }, entities, ms);
    const address = lastBefore(addressesOf, position + 1) ?? firstAfter(addressesOf, position);
    for (const entity of entities) beside.add(entity, address);
    // Whatever else the line says may stand beside an entity of the other side as well.
    for (const [word] of line.matchAll(words)) {
      if (timesIn(word).length === 0) into.addCandidate({ kind, source: `${source} (words)` }, entities, word);
    }
  }
  for (const [entity, address] of beside.mostFrequent())
    into.addCategory({ kind, source: `${source} (address)` }, [entity], address);
}

/** Other requests write in between: what stands beside an entity most often is its own. */
class Companions {
  private readonly counts = new Map<Entity, Map<string, number>>();

  add(entity: Entity, values: readonly string[] = []): void {
    const counts = this.counts.get(entity) ?? new Map<string, number>();
    this.counts.set(entity, counts);
    for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  }

  *mostFrequent(): Generator<[Entity, string]> {
    for (const [entity, counts] of this.counts) {
      const [best] = [...counts].sort(([, a], [, b]) => b - a);
      if (best !== undefined) yield [entity, best[0]];
    }
  }
}

function lastBefore<Value>(lines: readonly (readonly Value[])[], position: number): readonly Value[] | undefined {
  return lines.slice(Math.max(0, position - maxDistance), position).findLast((values) => values.length > 0);
}

function firstAfter<Value>(lines: readonly (readonly Value[])[], position: number): readonly Value[] | undefined {
  return lines.slice(position + 1, position + 1 + maxDistance).find((values) => values.length > 0);
}
