import { type CategoryTrace, type EntityKind, type OrderedTrace, type SourceKind, type Trace } from '../trace.js';
import { type Entity } from './identifiers.js';

/** Where values come from. Values of the same place and entity kind make one trace. */
export interface Place {
  readonly kind: SourceKind;
  readonly source: string;
}

/** Gathers values of single entities into traces. */
export class TraceCollection {
  private readonly ordered = new Map<string, OrderedTrace & { readonly values: Map<string, number[]> }>();
  private readonly categories = new Map<string, CategoryTrace & { readonly values: Map<string, string[]> }>();
  /** Categories that become traces only if the other kind of entity has some of their values. */
  private readonly candidates = new Map<string, CategoryTrace & { readonly values: Map<string, string[]> }>();

  constructor(private readonly toServiceTime: (ms: number) => number) {}

  /** @param scale for times, use `addTime` */
  addNumber(place: Place, scale: string, entities: Iterable<Entity>, value: number): void {
    for (const { kind: of, id } of entities) {
      const key = `${of} ${place.kind} ${scale} ${place.source}`;
      const trace = this.ordered.get(key) ?? { type: 'ordered', of, ...place, scale, values: new Map() };
      this.ordered.set(key, trace);
      append(trace.values, id, value);
    }
  }

  /** @param ms by the clock of the program that wrote it */
  addTime(place: Place, entities: Iterable<Entity>, ms: number): void {
    this.addNumber(place, 'time', entities, this.toServiceTime(ms));
  }

  addCategory(place: Place, entities: Iterable<Entity>, value: string): void {
    this.addTo(this.categories, place, entities, value);
  }

  /** Adds a value of a column in which nearly every row has its own. It tells something only if the other side has it too. */
  addCandidate(place: Place, entities: Iterable<Entity>, value: string): void {
    this.addTo(this.candidates, place, entities, value);
  }

  /** All traces that can tell entities apart: a trace with the same value for all tells nothing. */
  traces(): Trace[] {
    const all = [...this.ordered.values(), ...this.categories.values(), ...this.sharedCandidates()];
    return all.filter(({ values }) => values.size === 1 || distinct(values) > 1);
  }

  private addTo(traces: typeof this.categories, place: Place, entities: Iterable<Entity>, value: string): void {
    for (const { kind: of, id } of entities) {
      const key = `${of} ${place.kind} ${place.source}`;
      const trace = traces.get(key) ?? { type: 'category', of, ...place, values: new Map() };
      traces.set(key, trace);
      append(trace.values, id, value);
    }
  }

  private sharedCandidates(): CategoryTrace[] {
    const domains: Record<EntityKind, Set<string>> = { user: new Set(), connection: new Set() };
    for (const { of, values } of [...this.categories.values(), ...this.candidates.values()]) {
      for (const own of values.values()) for (const value of own) domains[of].add(value);
    }
    const other = { user: domains.connection, connection: domains.user };
    return [...this.candidates.values()].filter(({ of, values }) =>
      [...values.values()].some((own) => own.some((value) => other[of].has(value))),
    );
  }
}

function append<Value>(values: Map<string, Value[]>, id: string, value: Value): void {
  const own = values.get(id);
  if (own === undefined) values.set(id, [value]);
  else own.push(value);
}

function distinct(values: ReadonlyMap<string, readonly (string | number)[]>): number {
  return new Set([...values.values()].flat()).size;
}
