import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startGatekeeper, type TestGatekeeper } from '../support/gatekeeper.js';
import { query } from '../support/stack.js';
import { runMaintenanceJob } from '../support/maintenance.js';
import { IdentityPrisma, IdentityMaintenance, Prisma } from '../../src/prisma/identity/index.js';
import { addJob, jobForEach, userJobs } from '../../src/platform/jobs/add-jobs.js';
import { raiseEvent } from '../../src/platform/jobs/events.js';
import { IdentityJobs } from '../../src/platform/jobs/identity-jobs.js';

let gatekeeper: TestGatekeeper;
let handled: unknown[] = [];
let failing: Error | undefined;

beforeAll(async () => {
  // A worker runs only the tasks that are registered when it starts. So a second process runs the test's own task.
  gatekeeper = await startGatekeeper({ IDENTITY_WORKER: 'apart' });
});
afterAll(() => gatekeeper.stop());

const prisma = () => gatekeeper.service.app.get(IdentityPrisma, { strict: false });
const sql = (text: string) => query(gatekeeper.stack.ownerUrl, text);
const waiting = () =>
  sql(`SELECT j.task_identifier AS task, j.key, p.payload FROM identity_jobs.jobs j
     JOIN identity_jobs._private_jobs p USING (id) ORDER BY j.id`);
const job = (key: string, payload: Record<string, string> = {}) => addJob({ task: 'tested', payload, key });

/** Starts a worker, as another process of the service would. */
async function startWorker() {
  const { createWorker } = await import('../../src/app.js');
  const { Background } = await import('../../src/platform/background/index.js');
  const { common, gatekeeper: side } = gatekeeper.service.config;
  if (side === undefined) throw new Error('no gatekeeper');
  const app = await createWorker({ common, gatekeeper: { ...side, worker: 'inside' } });
  app.get(IdentityJobs, { strict: false }).handle('tested', async (payload) => {
    if (failing !== undefined) throw failing;
    handled.push(payload);
  });
  await app.get(Background).start();
  return {
    maintenance: app.get(IdentityMaintenance, { strict: false }),
    stop: async () => {
      await app.get(Background).stop();
      await app.close();
    },
  };
}

describe('addJob', () => {
  it('adds the job with the statement that needs it, or not at all', async () => {
    await prisma()
      .$transaction(async (transaction) => {
        await transaction.$queryRaw`SELECT ${job('undone')}`;
        throw new Error('undo');
      })
      .catch(() => undefined);
    expect(await waiting()).toEqual([]);
    await prisma().$queryRaw`SELECT ${job('kept', { lookup: 'x' })}`;
    expect(await waiting()).toEqual([{ task: 'tested', key: 'kept', payload: { lookup: 'x' } }]);
  });

  it('keeps one job for each key while no worker runs', async () => {
    await Promise.all(Array.from({ length: 20 }, () => prisma().$queryRaw`SELECT ${job('kept', { lookup: 'y' })}`));
    expect(await waiting()).toHaveLength(1);
  });

  it('adds a job that a worker in another process runs', async () => {
    handled = [];
    const worker = await startWorker();
    await expect.poll(() => handled, { timeout: 10_000 }).toEqual([{ lookup: 'y' }]);
    await expect.poll(waiting).toEqual([]);
    await worker.stop();
  });
});

describe('IdentityJobs', () => {
  it('stores only the kind of the error of a failed job, and retries it', async () => {
    handled = [];
    const worker = await startWorker();
    failing = new TypeError('of ada@example.com');
    await prisma().$queryRaw`SELECT ${job('fails')}`;
    const errors = () => sql('SELECT last_error, attempts FROM identity_jobs.jobs WHERE last_error IS NOT NULL');
    await expect.poll(errors, { timeout: 10_000 }).toHaveLength(1);
    expect(JSON.stringify(await errors())).not.toContain('ada');
    failing = undefined;
    await sql('UPDATE identity_jobs._private_jobs SET run_at = now()');
    await expect.poll(() => handled, { timeout: 10_000 }).toHaveLength(1);
    await worker.stop();
  });

  it('releases the jobs of a dead worker, and not those of a living one', async () => {
    handled = [];
    const worker = await startWorker();
    await sql(`SELECT identity_jobs.add_job('untested', '{}', job_key => 'dead')`);
    await sql(`SELECT identity_jobs.add_job('untested', '{}', job_key => 'living')`);
    const [living] = await query<{ name: string }>(
      gatekeeper.stack.ownerUrl,
      `SELECT objid::text AS name FROM pg_locks WHERE locktype = 'advisory' AND classid = hashtext('identity-worker')::oid`,
    );
    expect(living).toBeDefined();
    const lock = (key: string, by: string) =>
      sql(
        `UPDATE identity_jobs._private_jobs SET locked_by = '${by}', locked_at = now() - interval '1 minute' WHERE key = '${key}'`,
      );
    await lock('dead', 'pool-of-a-killed-process');
    const client = await holdLock('pool-of-a-living-process');
    await lock('living', 'pool-of-a-living-process');
    await runMaintenanceJob(worker.maintenance, 'dead-workers');
    expect(await sql('SELECT key, locked_by FROM identity_jobs._private_jobs ORDER BY key')).toEqual([
      { key: 'dead', locked_by: null },
      { key: 'living', locked_by: 'pool-of-a-living-process' },
    ]);
    await client.end();
    await worker.stop();
  });
});

describe('jobForEach', () => {
  const users = ['00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002'];
  const wanted = () => userJobs('tested', Prisma.sql`SELECT unnest(${users}::uuid[]) AS user_id`);
  const jobs = () => gatekeeper.service.app.get(IdentityJobs, { strict: false });
  const keys = users.map((user) => `tested:${user}`);
  const change = (assignment: string) =>
    sql(`UPDATE identity_jobs._private_jobs SET ${assignment} WHERE key = '${keys[0]}'`);
  beforeEach(() => sql('DELETE FROM identity_jobs._private_jobs'));

  it('adds a job for each row in the statement that selects the rows', async () => {
    expect(await prisma().$queryRaw`WITH added AS (${jobForEach(wanted())}) SELECT jobs FROM added`).toEqual([
      { jobs: 2 },
    ]);
    expect(await waiting()).toEqual(
      users.map((userId) => ({ task: 'tested', key: `tested:${userId}`, payload: { userId } })),
    );
  });

  it('lets requeueMissing add the jobs that do not exist or failed permanently', async () => {
    expect(await jobs().requeueMissing(wanted())).toBe(2);
    expect(await jobs().requeueMissing(wanted())).toBe(0);
    await change('attempts = max_attempts');
    expect(await jobs().requeueMissing(wanted())).toBe(1);
    expect(await sql('SELECT key, attempts FROM identity_jobs.jobs WHERE key IS NOT NULL ORDER BY key')).toEqual(
      keys.map((key) => ({ key, attempts: 0 })),
    );
  });

  it('lets capBackoff limit the wait of the tasks that it names', async () => {
    await jobs().requeueMissing(wanted());
    await change(`run_at = now() + interval '6 hours', attempts = 5`);
    const seconds = async () => {
      const [row] = await sql(
        `SELECT extract(epoch FROM run_at - now())::int AS s FROM identity_jobs.jobs WHERE key = '${keys[0]}'`,
      );
      return Number(row?.s);
    };
    await jobs().capBackoff(['untested'], 300);
    expect(await seconds()).toBeGreaterThan(3600);
    await jobs().capBackoff(['untested', 'tested'], 300);
    expect(await seconds()).toBeLessThanOrEqual(300);
  });
});

describe('raiseEvent', () => {
  const users = ['5a5a5a5a-5a5a-4a5a-8a5a-5a5a5a5a5a5a', '6b6b6b6b-6b6b-4b6b-8b6b-6b6b6b6b6b6b'];
  const raised = raiseEvent('user.tested', Prisma.sql`SELECT unnest(${users}::uuid[]) AS user_id`);
  const events = async () => (await waiting()).filter(({ task }) => task === 'user.tested');

  it('adds the event with its cause, or not at all', async () => {
    await prisma()
      .$transaction(async (transaction) => {
        await transaction.$queryRaw`WITH raised AS (${raised}) SELECT jobs FROM raised`;
        throw new Error('undo');
      })
      .catch(() => undefined);
    expect(await events()).toEqual([]);
  });

  it('keeps one event for each user when it is raised again before it is handled', async () => {
    const raise = () => prisma().$queryRaw`WITH raised AS (${raised}) SELECT jobs FROM raised`;
    expect(await raise()).toEqual([{ jobs: 2 }]);
    await raise();
    const perUser = users.map((userId) => ({ task: 'user.tested', key: `user.tested:${userId}`, payload: { userId } }));
    expect(await events()).toEqual(perUser);
  });
});

async function holdLock(name: string) {
  const { default: pg } = await import('pg');
  const client = new pg.Client(gatekeeper.stack.identityUrl);
  await client.connect();
  await client.query(`SELECT pg_advisory_lock(hashtext('identity-worker'), hashtext($1))`, [name]);
  return client;
}
