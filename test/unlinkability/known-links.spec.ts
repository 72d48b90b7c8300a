import { describe, expect, it } from 'vitest';
import { type KnownLink, partsNotFound, tracesOf, unexpectedOf } from './known-links.js';
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
  left: { 'transaction id': ['identity."User"'], memory: ['identity."User"'] },
  right: { column: ['network."Connection"'] },
};

const all = [
  finding('new user', 'transaction id', 'column'),
  finding('quick start', 'memory', 'column'),
  finding('quick start', 'transaction id', 'column'),
];

describe('unexpectedOf', () => {
  it('accepts findings that the known links cover', () => {
    expect(unexpectedOf(all, [clocks])).toEqual([]);
  });

  it('accepts all that PostgreSQL keeps of the rows of a known table', () => {
    const ofRows = ['identity."User".xmin', 'identity."User".xmax', 'rows written to identity."User"'];
    expect(
      unexpectedOf(
        ofRows.map((source) => finding('new user', 'transaction id', 'column', 'ordered', source)),
        [clocks],
      ),
    ).toEqual([]);
  });

  it.each([
    ['another cohort', finding('steady wallet', 'transaction id', 'column')],
    ["another kind of source on the user's side", finding('new user', 'log', 'column')],
    ["another kind of source on the connection's side", finding('new user', 'transaction id', 'memory')],
    ['another table', finding('new user', 'memory', 'column', 'ordered', 'identity."Other"')],
    ['another column', finding('new user', 'memory', 'column', 'ordered', 'identity."User".new_at')],
    ['another type of trace', finding('new user', 'transaction id', 'column', 'category')],
  ])('reports %s', (_, other) => {
    expect(unexpectedOf([...all, other], [clocks])).toEqual([other]);
  });
});

describe('partsNotFound', () => {
  it('names each part of a known link that was not found', () => {
    expect(partsNotFound(clocks, all)).toEqual([]);
    expect(partsNotFound(clocks, [finding('new user', 'transaction id', 'column')])).toEqual([
      'clocks: cohort quick start',
      'clocks: left kind memory',
    ]);
    expect(partsNotFound(clocks, [])).toHaveLength(7);
  });

  it('leaves out a weak part', () => {
    const found = all.filter(({ left }) => left.kind !== 'memory');
    expect(partsNotFound({ ...clocks, weak: ['left kind memory'] }, found)).toEqual([]);
  });
});

describe('tracesOf', () => {
  it('gives the traces of both sides', () => {
    const other = trace('user', 'log', 'service');
    const own = [trace('user', 'memory', 'identity."User"'), trace('connection', 'column', 'network."Connection"')];
    expect(tracesOf(clocks, [...own, other])).toEqual(own);
  });
});
