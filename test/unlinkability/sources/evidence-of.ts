import { type Evidence } from '../evidence.js';
import { type CategoryTrace, type OrderedTrace, type Trace } from '../trace.js';

/** Evidence for tests of the sources: whatever a test does not give is empty. */
export function evidenceOf(part: Partial<Evidence>): Evidence {
  return {
    clusters: [],
    redis: [],
    processes: [],
    logs: [],
    identifiers: { user: new Map(), connection: new Map() },
    addressPseudonyms: new Map(),
    toServiceTime: (ms) => ms,
    ...part,
  };
}

/** The values of the only trace that matches. */
export function orderedValues(
  traces: readonly Trace[],
  match: Partial<OrderedTrace>,
): Record<string, readonly number[]> {
  return Object.fromEntries(only(traces, { type: 'ordered', ...match }).values) as Record<string, readonly number[]>;
}

export function categoryValues(
  traces: readonly Trace[],
  match: Partial<CategoryTrace>,
): Record<string, readonly string[]> {
  return Object.fromEntries(only(traces, { type: 'category', ...match }).values) as Record<string, readonly string[]>;
}

function only(traces: readonly Trace[], match: Partial<Trace>): Trace {
  const wanted = Object.entries(match);
  const found = traces.filter((trace) => wanted.every(([key, value]) => trace[key as keyof Trace] === value));
  const [trace] = found;
  if (trace !== undefined && found.length === 1) return trace;
  const list = traces.map(({ of, kind, source, type }) => `${of}: ${kind}, ${source} (${type})`).join('\n');
  throw new Error(`Found ${found.length} traces of ${JSON.stringify(match)} among:\n${list}`);
}
