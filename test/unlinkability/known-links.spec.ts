import { describe, expect, it } from 'vitest';
import { compareWithKnown, type KnownLink } from './known-links.js';
import { type EntityKind, type Finding, type SourceKind, type Trace } from './trace.js';

const trace = (of: EntityKind, kind: SourceKind, source: string, type: Trace['type'] = 'ordered'): Trace => ({
  ...{ of, kind, source, scale: 'time', values: new Map() },
  type: type as 'ordered',
});

const finding = (
  problem: string,
  left: SourceKind,
  right: SourceKind,
  type?: Trace['type'],
  table = 'identity."User"',
): Finding => ({
  problem,
  left: trace('user', left, table, type),
  right: trace('connection', right, 'network."Connection"', type),
  matcher: 'nearest',
  ...{ hits: 30, asked: 40, chance: 1, auc: 0.9, p: 0.0005 },
});

const clocks: KnownLink = {
  name: 'clocks',
  type: 'ordered',
  problems: ['new user', 'quick start'],
  left: { column: ['"User"'], memory: ['"User"'] },
  right: { column: ['"Connection"'] },
};

const all = [
  finding('new user', 'column', 'column'),
  finding('quick start', 'memory', 'column'),
  finding('quick start', 'column', 'column'),
];

describe('compareWithKnown', () => {
  it('accepts findings that the known links cover', () => {
    expect(compareWithKnown(all, [clocks])).toEqual({ unexpected: [], notFound: [] });
  });

  it.each([
    ['another cohort', finding('steady wallet', 'column', 'column')],
    ["another source on the user's side", finding('new user', 'log', 'column')],
    ["another source on the connection's side", finding('new user', 'column', 'memory')],
    ['another table', finding('new user', 'column', 'column', 'ordered', 'identity."Other"')],
    ['another type of trace', finding('new user', 'column', 'column', 'category')],
  ])('reports %s as unexpected', (_, other) => {
    expect(compareWithKnown([...all, other], [clocks]).unexpected).toEqual([other]);
  });

  it('reports each part of a known link that was not found', () => {
    expect(compareWithKnown([finding('new user', 'column', 'column')], [clocks]).notFound).toEqual([
      'clocks: cohort quick start',
      'clocks: left kind memory',
    ]);
    expect(compareWithKnown([], [clocks]).notFound).toHaveLength(7);
  });

  it('does not report a weak part', () => {
    const found = all.filter(({ left }) => left.kind !== 'memory');
    expect(compareWithKnown(found, [{ ...clocks, weak: ['memory'] }])).toEqual({ unexpected: [], notFound: [] });
  });
});
