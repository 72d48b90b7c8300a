import { SeededRandom } from '@vpn-backend/fake-providers/testing';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { type Run, runAdversary } from './adversary.js';
import { compareWithKnown, knownLinks } from './known-links.js';
import { judge } from './statistics/index.js';
import { type Trace } from './trace.js';

/**
 * Tests the adversary itself. Tables, columns, lines and a cache are planted that keep exact times or the order of acts, as a
 * careless change would. Each of them alone must turn the adversary red. This is also its canary: clients that connect right
 * after fetching, against a server that keeps clocks and order. An adversary that misses them is broken, and so is its silence.
 */
let run: Run;
const seed = inject('seed');

beforeAll(async () => {
  run = await runAdversary({ shape: 'all', seed, plants: true, scale: 0.4 });
});

const isFineColumn = ({ source }: Trace) => source.endsWith('.planted_at');

const isOrder = ({ kind, source }: Trace) =>
  ['row order', 'transaction id'].includes(kind) && source.includes('planted_order');

const plants: readonly { readonly name: string; readonly has: (trace: Trace) => boolean }[] = [
  { name: 'a fine column', has: isFineColumn },
  { name: 'an unshuffled table', has: isOrder },
  { name: 'a salt that both sides share', has: ({ source }) => source.endsWith('"planted_address".hash') },
  { name: 'a debug log line', has: ({ kind }) => kind === 'log' },
  { name: 'a metric label', has: ({ source }) => source.includes('planted_last_seen_seconds') },
  { name: 'a cache', has: ({ source }) => source.includes('plantedCache') },
];

/** The same trace, with the values of each user given to another. */
function dealAnew(trace: Trace, random: SeededRandom): Trace {
  if (trace.type !== 'ordered') return trace;
  const owners = random.shuffle([...trace.values.keys()]);
  const values = [...trace.values.values()];
  return { ...trace, values: new Map(owners.map((owner, index) => [owner, values[index] ?? []])) };
}

describe('the adversary against planted leaks', () => {
  it.each(plants)('is turned red by $name alone', ({ has }) => {
    const traces = run.traces.filter(has);
    expect(new Set(traces.map((trace) => trace.of))).toEqual(new Set(['user', 'connection']));
    const { significant } = judge(traces, run.problems, { seed });
    expect(compareWithKnown(significant, knownLinks).unexpected.length).toBeGreaterThan(0);
  });

  it('finds most users of clients that connect right after fetching, from times alone', () => {
    const { findings } = judge(run.traces.filter(isFineColumn), run.problems, { seed });
    const best = findings.filter(({ problem }) => problem === 'quick start').map(({ hits, asked }) => hits / asked);
    expect(Math.max(...best)).toBeGreaterThan(0.5);
  });

  it('is not turned red by the same times when they are dealt to other users', () => {
    const dealt = ['first', 'second'].map((deal) => {
      const random = new SeededRandom(`${deal} deal ${seed}`);
      return run.traces.filter(isFineColumn).map((trace) => (trace.of === 'user' ? dealAnew(trace, random) : trace));
    });
    // One deal in a thousand looks like a link. Two at once do not happen.
    const links = dealt.map((traces) => judge(traces, run.problems, { seed }).significant.length);
    expect(Math.min(...links)).toBe(0);
  });
});
