import { SeededRandom } from '@vpn-backend/fake-providers/testing';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { type Run, runAdversary } from './adversary.js';
import { knownLinks, unexpectedOf } from './known-links.js';
import { judge } from './statistics/index.js';
import { type SourceKind, type Trace } from './trace.js';

/**
 * Tests the adversary itself. The world plants columns, tables, log lines, metric labels and a cache with exact times or the
 * order of acts. The adversary must find each of them alone; if it does not, its silence elsewhere means nothing.
 */
let run: Run;
/** For a busy machine. */
const longTimeoutMs = 900_000;
const seed = inject('seed');

beforeAll(async () => {
  run = await runAdversary({ shape: 'all', seed, plants: true, scale: 0.4 });
}, longTimeoutMs);

const isFineColumn = ({ source }: Trace) => source.endsWith('.planted_at');

const isOfOrderTable =
  (...kinds: readonly SourceKind[]) =>
  ({ kind, source }: Trace) =>
    kinds.includes(kind) && source.includes('planted_order');

const plants: readonly { readonly name: string; readonly has: (trace: Trace) => boolean }[] = [
  { name: 'a fine column', has: isFineColumn },
  { name: 'an unshuffled table', has: isOfOrderTable('row order', 'transaction id') },
  { name: 'the write-ahead log of an unshuffled table', has: isOfOrderTable('write-ahead log') },
  { name: 'a salt that both sides share', has: ({ source }) => source.endsWith('"planted_address".hash') },
  { name: 'a debug log line', has: ({ kind }) => kind === 'log' },
  { name: 'a metric label', has: ({ source }) => source.includes('planted_last_seen_seconds') },
  // V8 names the cache by its global variable or by a cell of its own, so only the property's name is certain.
  { name: 'a cache', has: ({ kind, source }) => kind === 'memory' && source.endsWith('[].at') },
];

/** The same trace, with the values of each user given to another. */
function shuffleOwners(trace: Trace, random: SeededRandom): Trace {
  if (trace.type !== 'ordered') return trace;
  const owners = random.shuffle([...trace.values.keys()]);
  const values = [...trace.values.values()];
  return { ...trace, values: new Map(owners.map((owner, index) => [owner, values[index] ?? []])) };
}

describe('the adversary against planted leaks', () => {
  it.each(plants)('reports a link when it sees only $name', ({ has }) => {
    const traces = run.traces.filter(has);
    expect(new Set(traces.map((trace) => trace.of))).toEqual(new Set(['user', 'connection']));
    const { significant } = judge(traces, run.problems, { seed });
    expect(unexpectedOf(significant, knownLinks).length).toBeGreaterThan(0);
  });

  it('finds most users of clients that connect right after fetching, from times alone', () => {
    const { findings } = judge(run.traces.filter(isFineColumn), run.problems, { seed });
    const best = findings.filter(({ problem }) => problem === 'quick start').map(({ hits, asked }) => hits / asked);
    expect(Math.max(...best)).toBeGreaterThan(0.5);
  });

  it('reports no link when the same times are given to other users', () => {
    const shuffled = ['first', 'second'].map((name) => {
      const random = new SeededRandom(`${name} shuffle ${seed}`);
      return run.traces
        .filter(isFineColumn)
        .map((trace) => (trace.of === 'user' ? shuffleOwners(trace, random) : trace));
    });
    // Renewals tie connections to connections, whose times stay as they are.
    const ofUsers = run.problems.filter(({ left }) => left === 'user');
    // One shuffle in a thousand looks like a link. Two at once do not happen.
    const links = shuffled.map((traces) => judge(traces, ofUsers, { seed }).significant.length);
    expect(Math.min(...links)).toBe(0);
  });
});
