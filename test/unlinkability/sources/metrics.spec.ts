import { describe, expect, it } from 'vitest';
import { traceMetrics } from './metrics.js';
import { IdentifierIndex } from './identifiers.js';
import { orderedValues } from './evidence-of.js';
import { TraceCollection } from './trace-collection.js';

const index = new IdentifierIndex({
  user: new Map([
    ['anna@example.org', 'anna'],
    ['ben@example.org', 'ben'],
  ]),
  connection: new Map(),
});

function collect(scrapes: readonly string[]) {
  const traces = new TraceCollection((ms) => ms);
  const metrics = scrapes.map((text, second) => ({ atMs: second * 1_000, text: `# HELP x y\n${text}\n` }));
  traceMetrics({ name: 'all', heapFile: '', metrics }, index, traces);
  return traces.traces();
}

describe('traceMetrics', () => {
  it('gives the moments at which a series that names a user changed', () => {
    const traces = collect([
      'requests_total{user="ben@example.org"} 1',
      'requests_total{user="ben@example.org"} 1\nrequests_total{user="anna@example.org",kind="a b"} 7',
      'requests_total{user="ben@example.org"} 2\nrequests_total{user="anna@example.org",kind="a b"} 7',
    ]);
    const changes = orderedValues(traces, { kind: 'metrics', source: 'all: requests_total (changes)', scale: 'time' });
    expect(changes).toEqual({ ben: [0, 2_000], anna: [1_000] });
  });

  it('gives a value that is a time', () => {
    const traces = collect([
      'last_seconds{user="ben@example.org"} 1.7723574e9\nlast_seconds{user="anna@example.org"} 1772357401',
    ]);
    const times = orderedValues(traces, { source: 'all: last_seconds', scale: 'time' });
    expect(times).toEqual({ ben: [1_772_357_400_000], anna: [1_772_357_401_000] });
  });

  it('gives no trace of a series that names no user or connection', () => {
    expect(collect(['requests_total{route="/a"} 1\nprocess_start_time_seconds 1772357400'])).toEqual([]);
  });
});
