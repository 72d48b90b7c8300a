import { type SeizedProcess } from '../evidence.js';
import { type Entity, type IdentifierIndex } from './identifiers.js';
import { timeOfNumber } from './times.js';
import { type TraceCollection } from './trace-collection.js';

/** `name{labels} value`, as Prometheus reads it; comments begin with `#`. */
const sample = /^([A-Za-z_:][\w:]*)(\{.*\})? (\S+)/;

/**
 * When a series that names an entity appeared or changed, and its value if that is a time.
 *
 * A series without an identifier shows when some user acted, but not which. It is not used: it takes the order of rows to say
 * who, and that is a trace of its own.
 */
export function traceMetrics(
  { name: process, metrics }: SeizedProcess,
  index: IdentifierIndex,
  into: TraceCollection,
): void {
  const last = new Map<string, string>();
  const found = new Map<string, ReadonlySet<Entity>>();
  for (const { atMs, text } of metrics) {
    for (const line of text.split('\n')) {
      const [, name = '', labels, value = ''] = sample.exec(line) ?? [];
      if (labels === undefined) continue;
      const series = name + labels;
      const entities = found.get(series) ?? index.find(labels);
      found.set(series, entities);
      if (entities.size === 0 || last.get(series) === value) continue;
      last.set(series, value);
      // `atMs` is the service's clock already.
      into.addNumber({ kind: 'metrics', source: `${process}: ${name} (changes)` }, 'time', entities, atMs);
      const ms = timeOfNumber(Number(value));
      if (ms !== undefined) into.addTime({ kind: 'metrics', source: `${process}: ${name}` }, entities, ms);
    }
  }
}
