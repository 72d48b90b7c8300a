import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataFolder, startPostgres } from '../../../dev/services/index.js';
import { readCommitTimes } from './write-ahead-log.js';

const commits = 40;
let folder: DataFolder;
let postgres: Awaited<ReturnType<typeof startPostgres>>;
let client: pg.Client;
let walFolder: string;

beforeAll(async () => {
  folder = await DataFolder.ephemeral();
  postgres = await startPostgres(folder);
  client = new pg.Client(postgres.ownerUrl);
  client.on('error', () => undefined);
  await client.connect();
  const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
  walFolder = join(rows[0]?.data_directory ?? '', 'pg_wal');
  await client.query('CREATE TABLE acts (at timestamptz NOT NULL)');
  for (let n = 0; n < commits; n += 1) await client.query('INSERT INTO acts VALUES (clock_timestamp())');
});

afterAll(async () => {
  await client.end();
  await postgres.stop();
  folder.release();
});

/** Each row's own time, and the commit time that the log gives its transaction. */
async function timesOfActs(): Promise<{ own: number; committed: number | undefined }[]> {
  const { rows } = await client.query<{ xmin: string; ms: string }>(
    'SELECT xmin::text, (extract(epoch FROM at) * 1000)::text AS ms FROM acts ORDER BY at',
  );
  const times = readCommitTimes(walFolder);
  return rows.map(({ xmin, ms }) => ({ own: Number(ms), committed: times.get(Number(xmin)) }));
}

function expectCommitted(acts: Awaited<ReturnType<typeof timesOfActs>>): void {
  for (const { own, committed = 0 } of acts) {
    expect(committed).toBeGreaterThanOrEqual(own);
    expect(committed - own).toBeLessThan(2_000);
  }
}

describe('readCommitTimes', () => {
  it('gives the commit time of each row in microseconds', async () => {
    const acts = await timesOfActs();
    expect(acts).toHaveLength(commits);
    expectCommitted(acts);
    expect(acts.some(({ committed = 0 }) => !Number.isInteger(committed))).toBe(true);
  });

  it('gives it for rows that were written after a savepoint, which have a transaction id of their own', async () => {
    await client.query(`BEGIN; CREATE TABLE half (at timestamptz); SAVEPOINT one;
      INSERT INTO half VALUES (clock_timestamp()); RELEASE SAVEPOINT one; COMMIT`);
    const { rows } = await client.query<{ xmin: string }>('SELECT xmin::text FROM half');
    expect(readCommitTimes(walFolder).get(Number(rows[0]?.xmin))).toBeGreaterThan(Date.now() - 60_000);
  });

  it('assembles records that many pages hold, and finds the commits after them', async () => {
    await client.query(`CREATE TABLE long (text text); ALTER TABLE long ALTER COLUMN text SET STORAGE plain`);
    await client.query(`INSERT INTO long SELECT repeat(md5(n::text), 200) FROM generate_series(1, 50) n`);
    // A commit whose record spans pages: it names 600 subtransactions.
    await client.query(`CREATE TABLE parts (n int);
      DO $$ BEGIN FOR n IN 1..3000 LOOP BEGIN INSERT INTO parts VALUES (n); EXCEPTION WHEN OTHERS THEN END; END LOOP; END $$`);
    const { rows } = await client.query<{ xmin: string }>('SELECT xmin::text FROM parts');
    const times = readCommitTimes(walFolder);
    expect(rows).toHaveLength(3000);
    expect(new Set(rows.map(({ xmin }) => times.get(Number(xmin)))).size).toBe(1);
    expect(times.get(Number(rows[2999]?.xmin))).toBeGreaterThan(Date.now() - 60_000);
  });

  it('finds commits in segments that PostgreSQL has recycled for later use', async () => {
    // Each switch closes a segment, and the checkpoint renames the closed ones to names that lie ahead.
    for (let n = 0; n < 4; n += 1) {
      await client.query('SELECT pg_switch_wal()');
      await client.query('CREATE TABLE IF NOT EXISTS filler (n int); INSERT INTO filler VALUES (1)');
    }
    const current = await client.query<{ name: string }>('SELECT pg_walfile_name(pg_current_wal_lsn()) AS name');
    await client.query('CHECKPOINT');
    await client.query('CHECKPOINT');
    const files = await client.query<{ name: string }>('SELECT name FROM pg_ls_waldir() ORDER BY 1');
    const names = files.rows.map(({ name }) => name);
    // No file has the name any more under which the rows were written.
    expect(names[0]).toBe(current.rows[0]?.name);
    expect(names.length).toBeGreaterThan(2);
    expectCommitted(await timesOfActs());
  });

  it('finds none of them when segments are removed instead of recycled', async () => {
    await client.query('ALTER SYSTEM SET wal_recycle = off');
    await client.query('SELECT pg_reload_conf()');
    await client.query(`INSERT INTO filler VALUES (2); SELECT pg_switch_wal()`);
    await client.query('CHECKPOINT');
    // The segments that are ready for use are used up first.
    for (let n = 0; n < 8; n += 1) {
      await client.query('INSERT INTO filler VALUES (3)');
      await client.query('SELECT pg_switch_wal()');
      await client.query('CHECKPOINT');
    }
    const left = (await timesOfActs()).filter(({ committed }) => committed !== undefined);
    expect(left).toEqual([]);
  });
});
