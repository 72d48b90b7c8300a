import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataFolder, startPostgres } from '../../../dev/services/index.js';
import { createDatabase, query } from '../../support/postgres.js';
import { type Trace } from '../trace.js';
import { categoryValues, evidenceOf, orderedValues } from './evidence-of.js';
import { collectTraces } from './index.js';

/** The n-th user has the n-th connection. */
const people = [0, 1, 2].map((n) => ({
  user: `user-${n}`,
  uid: `Firebase${n}uidOf28Characters00`,
  userId: randomUUID(),
  connection: randomUUID(),
  publicKey: createHash('sha256').update(`key ${n}`).digest(),
  customer: `cus_${createHash('md5').update(String(n)).digest('hex').slice(0, 14)}`,
}));
const minute = (n: number) => Date.UTC(2026, 2, 1, 9, n);
const iso = (n: number) => new Date(minute(n)).toISOString();

let postgres: Awaited<ReturnType<typeof startPostgres>>;
let folder: DataFolder;
let run: (sql: string) => Promise<unknown>;
let collect: () => Promise<Trace[]>;
let traces: Trace[];

beforeAll(async () => {
  folder = await DataFolder.ephemeral();
  postgres = await startPostgres(folder);
  const ownerUrl = await createDatabase(postgres.ownerUrl);
  run = (sql) => query(ownerUrl, sql);
  collect = () =>
    collectTraces(
      evidenceOf({
        clusters: [{ name: '1', ownerUrl: postgres.ownerUrl, sides: ['identity', 'network'] }],
        identifiers: {
          user: new Map(people.map(({ uid, user }) => [uid, user])),
          // A base64 key, which PostgreSQL writes in hex.
          connection: new Map(people.map(({ publicKey, connection }) => [publicKey.toString('base64'), connection])),
        },
        toServiceTime: (ms) => (ms > Date.UTC(2026, 6) ? ms - 1 : ms),
      }),
    );
  await plant();
  traces = await collect();
}, 60_000);

afterAll(async () => {
  await postgres.stop();
  folder.release();
});

/** Tables as small as the test needs. The adversary must know no name, so these need not be the service's own. */
const schema = `
  CREATE SCHEMA identity;
  CREATE SCHEMA network;
  CREATE TABLE identity."User" (id uuid PRIMARY KEY, uid text UNIQUE, customer text UNIQUE, created_on date,
    token uuid UNIQUE DEFAULT gen_random_uuid());
  CREATE TABLE identity."Event" (user_id uuid REFERENCES identity."User", kind text, at timestamptz(0));
  CREATE TABLE identity."Notice" (cause text UNIQUE, user_id uuid REFERENCES identity."User", payload json);
  CREATE TABLE identity."Webhook" (object_ref text, received_at timestamptz);
  CREATE TABLE network."Location" (id text PRIMARY KEY);
  CREATE TABLE network."Node" (id uuid PRIMARY KEY, location_id text REFERENCES network."Location");
  CREATE TABLE network."Connection" (id uuid PRIMARY KEY, node_id uuid REFERENCES network."Node", public_key bytea,
    expires_at timestamptz);
  INSERT INTO network."Location" VALUES ('de-frankfurt'), ('se-stockholm')`;

/** Users in the order 0, 1, 2; connections in the order 2, 1, 0; each row in a transaction of its own. */
async function plant(): Promise<void> {
  await run(schema);
  const nodes = [randomUUID(), randomUUID()];
  await run(`INSERT INTO network."Node" VALUES ('${nodes[0]}', 'de-frankfurt'), ('${nodes[1]}', 'se-stockholm')`);
  for (const [n, { userId, uid, customer }] of people.entries()) {
    await run(`INSERT INTO identity."User" VALUES ('${userId}', '${uid}', '${customer}', '2026-03-0${n + 1}')`);
    await run(`INSERT INTO identity."Event" VALUES ('${userId}', '${n === 0 ? 'started' : 'expired'}', '${iso(n)}')`);
    await run(`INSERT INTO identity."Notice" VALUES ('trial_ending:${minute(n) / 1000}', '${userId}',
      '{"plan": {"ends": "${iso(n)}", "name": "plan ${n % 2}"}}')`);
    await run(`INSERT INTO identity."Webhook" VALUES ('${customer}', '${iso(n)}')`);
  }
  for (const [n, { connection, publicKey }] of [...people.entries()].reverse()) {
    await run(`INSERT INTO network."Connection"
      VALUES ('${connection}', '${nodes[n % 2]}', '\\x${publicKey.toString('hex')}', '${iso(n)}')`);
  }
}

/** What is expected of the n-th entity. */
const each = <Value>(id: 'user' | 'connection', value: (n: number) => Value) =>
  Object.fromEntries(people.map((person, n) => [person[id], [value(n)]]));

describe('traceDatabases', () => {
  it('gives the times of columns, for the rows that name an entity', () => {
    const created = orderedValues(traces, { source: 'identity."User".created_on', scale: 'time' });
    expect(created).toEqual(each('user', (n) => Date.UTC(2026, 2, n + 1)));
    const expires = orderedValues(traces, {
      source: 'network."Connection".expires_at',
      scale: 'time',
      of: 'connection',
    });
    expect(expires).toEqual(each('connection', minute));
  });

  it('gives the times of rows that refer to an entity by a foreign key', () => {
    const at = orderedValues(traces, { source: 'identity."Event".at', scale: 'time', of: 'user' });
    expect(at).toEqual(each('user', minute));
  });

  it('gives the times of rows that name something only one user has, such as a customer at Stripe', () => {
    const received = orderedValues(traces, { source: 'identity."Webhook".received_at', scale: 'time' });
    expect(received).toEqual(each('user', minute));
  });

  it('gives the times inside texts and JSON', () => {
    const cause = orderedValues(traces, { source: 'identity."Notice".cause', scale: 'time' });
    expect(cause).toEqual(each('user', minute));
    const ends = orderedValues(traces, { source: 'identity."Notice".payload->plan->ends', scale: 'time' });
    expect(ends).toEqual(each('user', minute));
    const names = categoryValues(traces, { source: 'identity."Notice".payload->plan->name' });
    expect(names).toEqual(each('user', (n) => `plan ${n % 2}`));
  });

  it('gives the few values of a column, and those of the rows that it refers to', () => {
    const kind = categoryValues(traces, { source: 'identity."Event".kind' });
    expect(kind).toEqual(each('user', (n) => (n === 0 ? 'started' : 'expired')));
    const place = categoryValues(traces, { source: 'network."Connection".node_id → network."Node".location_id' });
    expect(place).toEqual(each('connection', (n) => (n % 2 === 0 ? 'de-frankfurt' : 'se-stockholm')));
  });

  it('gives the order of rows', () => {
    const users = orderedValues(traces, { kind: 'row order', source: 'identity."User"', of: 'user' });
    expect(users).toEqual(each('user', (n) => n));
    const connections = orderedValues(traces, { kind: 'row order', source: 'network."Connection"', of: 'connection' });
    expect(connections).toEqual(each('connection', (n) => 2 - n));
  });

  it('gives transaction ids on one scale for both sides', () => {
    const scale = { kind: 'transaction id', scale: 'xid of 1' } as const;
    const users = orderedValues(traces, { ...scale, source: 'identity."User".xmin' });
    const connections = orderedValues(traces, { ...scale, source: 'network."Connection".xmin' });
    const [first = 0, ...others] = people.map(({ user }) => users[user]?.[0] ?? 0);
    expect(first).toBeGreaterThan(3);
    expect(others).toEqual([first + 4, first + 8]);
    const ids = people.map(({ connection }) => connections[connection]?.[0] ?? 0);
    expect(ids).toEqual([first + 14, first + 13, first + 12]);
  });

  it('gives the transaction that last locked a row, to refer to it', () => {
    const locked = orderedValues(traces, { kind: 'transaction id', source: 'identity."User".xmax' });
    const wrote = orderedValues(traces, { kind: 'transaction id', source: 'identity."Notice".xmin' });
    expect(locked).toEqual(wrote);
  });

  it('gives commit times from the write-ahead log, on the clock of the service', () => {
    const users = orderedValues(traces, { kind: 'write-ahead log', source: 'identity."User".xmin', scale: 'time' });
    for (const { user } of people) {
      // toServiceTime of this test takes a millisecond away from times of today.
      expect(Math.abs((users[user]?.[0] ?? 0) + 1 - Date.now())).toBeLessThan(60_000);
    }
    const connections = orderedValues(traces, { kind: 'write-ahead log', source: 'network."Connection".xmin' });
    const times = people.map(({ connection }) => connections[connection]?.[0] ?? 0);
    expect(times).toEqual(times.toSorted((a, b) => b - a));
    expect(new Set(times).size).toBe(3);
  });

  it('gives when a row was written, though it is gone', async () => {
    await run('CREATE TABLE identity.gone (user_id uuid)');
    const before = Date.now();
    for (const { userId } of people) await run(`INSERT INTO identity.gone VALUES ('${userId}')`);
    await run('DELETE FROM identity.gone');
    await run('VACUUM identity.gone');
    const source = 'rows written to identity."gone"';
    const written = orderedValues(await collect(), { kind: 'write-ahead log', source, scale: 'time' });
    const times = people.map(({ user }) => written[user]?.[0] ?? 0);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    // toServiceTime of this test takes a millisecond away from times of today.
    for (const time of times) expect(time + 2).toBeGreaterThan(before);
  });

  it('gives the values of rows that are referred to without a foreign key', async () => {
    await run('CREATE TABLE network.peers (connection uuid, node uuid)');
    await run('INSERT INTO network.peers SELECT id, node_id FROM network."Connection"');
    const source = 'network."peers".node → network."Node".location_id';
    expect(categoryValues(await collect(), { kind: 'column', source })).toEqual(
      each('connection', (n) => ['de-frankfurt', 'se-stockholm'][n % 2]),
    );
  });

  it('gives the numbers of the chunks in which long values are stored', async () => {
    await run('CREATE TABLE identity.letters (uid text, letter text)');
    await run('ALTER TABLE identity.letters ALTER letter SET STORAGE external');
    for (const { uid } of people.toReversed()) {
      await run(`INSERT INTO identity.letters VALUES ('${uid}', repeat('x', 9000))`);
    }
    const match = { source: 'identity."letters".letter (TOAST)', scale: 'object ids of 1' };
    const chunks = orderedValues(await collect(), match);
    const numbers = people.map(({ user }) => chunks[user]?.[0] ?? 0);
    expect(numbers).toEqual(numbers.toSorted((a, b) => b - a));
  });

  it('does not give columns in which every row has its own value, unless the other side has it too', async () => {
    expect(traces.filter(({ source }) => source === 'identity."User".token')).toEqual([]);
    await run('CREATE TABLE identity.marks (user_id uuid REFERENCES identity."User", mark text[])');
    await run('CREATE TABLE network.notes (key bytea, note text)');
    for (const [n, { userId, publicKey }] of people.entries()) {
      await run(`INSERT INTO identity.marks SELECT '${userId}', ARRAY[md5('${n}-' || i), md5('same ${n} ' || i)]
        FROM generate_series(1, 9) i`);
      await run(`INSERT INTO network.notes
        SELECT '\\x${publicKey.toString('hex')}', md5('same ${n} ' || i) FROM generate_series(1, 9) i`);
    }
    const found = await collect();
    const marks = categoryValues(found, { source: 'identity."marks".mark', of: 'user' });
    const notes = categoryValues(found, { source: 'network."notes".note', of: 'connection' });
    for (const { user, connection } of people) {
      expect(notes[connection]).toHaveLength(9);
      expect(marks[user]).toEqual(expect.arrayContaining([...(notes[connection] ?? [])]));
    }
  });

  it('finds a new table, in a new schema or database, and a new column', async () => {
    await run('CREATE SCHEMA later');
    await run(`CREATE SEQUENCE later.turns; ALTER TABLE identity."User" ADD COLUMN extra bigint;
      CREATE TABLE later.acts (turn bigint DEFAULT nextval('later.turns'), who text, at timestamp);
      CREATE TABLE later.other_acts (turn int DEFAULT nextval('later.turns'), peer text)`);
    for (const [n, { uid, connection, publicKey }] of people.entries()) {
      await run(`UPDATE identity."User" SET extra = ${minute(n)} WHERE uid = '${uid}'`);
      await run(`INSERT INTO later.acts (who, at) SELECT 'of=${uid}!', '${iso(n)}' FROM generate_series(1, 3)`);
      await run(`INSERT INTO later.other_acts (peer) SELECT '${n === 0 ? connection : publicKey.toString('base64url')}'
        FROM generate_series(1, 3)`);
    }
    const another = await createDatabase(postgres.ownerUrl);
    await query(another, 'CREATE TABLE log (line text)');
    for (const { uid } of people) await query(another, `INSERT INTO log VALUES ('hello ${uid}.')`);
    const found = await collect();
    expect(orderedValues(found, { source: 'public."log"', kind: 'row order' })).toEqual(each('user', (n) => n));
    expect(orderedValues(found, { source: 'identity."User".extra' })).toEqual(each('user', minute));
    expect(orderedValues(found, { source: 'later."acts".at', scale: 'time' })[people[1]?.user ?? '']).toEqual(
      Array(3).fill(minute(1)),
    );
    const turns = { scale: 'sequence turns' };
    expect(orderedValues(found, { ...turns, source: 'later."acts".turn' })[people[0]?.user ?? '']).toEqual([1, 2, 3]);
    expect(orderedValues(found, { ...turns, source: 'later."other_acts".turn' })[people[0]?.connection ?? '']).toEqual([
      4, 5, 6,
    ]);
  });
});
