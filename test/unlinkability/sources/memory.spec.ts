import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Trace } from '../trace.js';
import { evidenceOf, orderedValues } from './evidence-of.js';
import { collectTraces } from './index.js';

const count = 40;
const start = Date.UTC(2026, 2, 1, 9);
const numbers = Array.from({ length: count }, (_, n) => n);
/** The order in which users come: 0, 7, 14, … */
const order = numbers.map((n) => (n * 7) % count);
const time = (n: number) => start + order.indexOf(n) * 1_234;
const uid = (n: number) => `Firebase${n}uidOf28Characters`;
const email = (n: number) => `person${n}@example.org`;
const connectionId = (n: number) => `3f2504e0-4f89-81d3-9a0c-0305e82c33${10 + n}`;

/** A process that keeps what the service keeps, and what a careless version might. */
const program = `
  import v8 from 'node:v8';
  class LeastRecentlyUsed { entries = new Map(); }
  class IdentityCacheService { entries = new LeastRecentlyUsed(); pendingFetches = new Map(); }
  class Journal { lines = []; byConnection = {}; seen = new Set(); last = new Map(); }
  class Session { constructor(owner, at) { this.owner = owner; this.openedAt = at; } }
  const cache = new IdentityCacheService();
  const journal = new Journal();
  // Until the account below is cached, neither the address nor the UID is one text.
  const uid = (n) => ['Firebase', n, 'uidOf28Characters'].join('');
  const email = (n) => 'person' + n + '@example.org';
  for (const [place, n] of ${JSON.stringify(order)}.entries()) {
    const at = ${start} + place * 1234;
    const account = { email: email(n), emailVerified: true };
    cache.entries.entries.set(uid(n), { account, fetchedAt: at, checkedAt: at, counter: 5000 + place });
    cache.pendingFetches.set(uid(n), Promise.resolve({ begunAt: at }));
    journal.seen.add(uid(n));
    journal.last.set(uid(n), at / 1000 + 0.5);
    journal.lines.push(new Session({ text: 'mail to ' + email(n) }, new Date(at).toISOString()));
    journal.byConnection['3f2504e0-4f89-81d3-9a0c-0305e82c33' + (10 + n)] = { redeemedAt: at };
    const timeOfClosure = at + 1;
    (journal.callbacks ??= []).push(((who) => () => who + timeOfClosure)(uid(n)));
  }
  globalThis.kept = [cache, journal];
  v8.writeHeapSnapshot(process.argv.at(-1), { exposeNumericValues: true });`;

let folder: string;
let traces: Trace[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'heap-'));
  const heapFile = join(folder, 'heap.heapsnapshot');
  await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program, heapFile]);
  traces = await collectTraces(
    evidenceOf({
      processes: [{ name: 'all', heapFile, metrics: [] }],
      identifiers: {
        user: new Map(numbers.flatMap((n) => [uid(n), email(n)].map((name) => [name, `user-${n}`]))),
        connection: new Map(numbers.map((n) => [connectionId(n), `connection-${n}`])),
      },
    }),
  );
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

const values = (source: string, scale = 'time', of: 'user' | 'connection' = 'user') =>
  orderedValues(traces, { kind: 'memory', source: `all: ${source}`, scale, of });

const each = (value: (n: number) => number, of = 'user') =>
  Object.fromEntries(numbers.map((n) => [`${of}-${n}`, [value(n)]]));

/** Each value once: an object may be found in several ways. */
const unique = (found: Record<string, readonly number[]>) =>
  Object.fromEntries(Object.entries(found).map(([id, own]) => [id, [...new Set(own)]]));

describe('traceMemory', () => {
  it('gives the times in a cache, for the keys of a Map', () => {
    const entry = 'LeastRecentlyUsed.entries[]';
    expect(unique(values(`${entry}.fetchedAt`))).toEqual(each(time));
    expect(unique(values(`${entry}.checkedAt`))).toEqual(each(time));
  });

  it('gives counters on a scale of their own', () => {
    const source = 'LeastRecentlyUsed.entries[].counter';
    expect(unique(values(source, `all: ${source}`))).toEqual(each((n) => 5_000 + order.indexOf(n)));
  });

  it('gives the times behind a promise, and a time that is itself the value of a Map', () => {
    expect(unique(values('IdentityCacheService.pendingFetches[].reactions_or_result.begunAt'))).toEqual(each(time));
    expect(unique(values('Journal.last[]'))).toEqual(each((n) => time(n) + 500));
  });

  it('gives the times of an object that holds the object that names the user, as text too', () => {
    expect(unique(values('Session.openedAt'))).toEqual(each(time));
  });

  it('gives the times beside an identifier that is the name of a property', () => {
    expect(unique(values('Journal.byConnection[].redeemedAt', 'time', 'connection'))).toEqual(each(time, 'connection'));
  });

  it('gives the times that a function remembers', () => {
    // V8 does not always name a variable.
    const source = traces.find((trace) => trace.source.startsWith('all: Journal.callbacks[].'))?.source ?? '';
    expect(unique(values(source.replace('all: ', '')))).toEqual(each((n) => time(n) + 1));
  });

  it.each(['LeastRecentlyUsed.entries', 'Journal.seen'])('gives the order of entries in %s', (table) => {
    const found = values(`${table} (order)`, `order in all: ${table}`);
    const users = Object.keys(found).toSorted((a, b) => (found[a]?.[0] ?? 0) - (found[b]?.[0] ?? 0));
    expect(users).toEqual(order.map((n) => `user-${n}`));
  });
});
