import { describe, expect, it } from 'vitest';
import { startGatekeeper, type TestGatekeeper } from '../support/gatekeeper.js';
import { HoldingProxy } from '../support/holding-proxy.js';
import { query } from '../support/stack.js';
import { postgres } from '../support/wire-protocols.js';
import { createWorker } from '../../src/app.js';
import { Background } from '../../src/platform/background/index.js';

/** Starts a worker that reaches the gatekeeper's database through a proxy. */
async function startWorker(gatekeeper: TestGatekeeper) {
  const { identityUrl } = gatekeeper.stack;
  const proxy = await HoldingProxy.start([Number(new URL(identityUrl).port)], postgres);
  const { common, gatekeeper: side } = gatekeeper.service.config;
  if (side === undefined) throw new Error('no gatekeeper');
  const worker = await createWorker({
    common,
    gatekeeper: { ...side, worker: 'inside', databaseUrl: proxy.through(identityUrl) },
  });
  return { worker, proxy };
}

const sessions = (gatekeeper: TestGatekeeper) =>
  query(
    gatekeeper.stack.ownerUrl,
    `SELECT pid FROM pg_stat_activity WHERE application_name = 'identity-jobs' AND datname = current_database()`,
  );

describe('IdentityJobs', () => {
  it('stops while its worker is being restarted after the database went away', async () => {
    const gatekeeper = await startGatekeeper({ IDENTITY_WORKER: 'apart' });
    const { worker, proxy } = await startWorker(gatekeeper);
    await worker.get(Background).start();

    const restarted = proxy.hold('before', /migrations order by id desc/);
    for (const { pid } of await sessions(gatekeeper)) {
      await query(gatekeeper.stack.ownerUrl, 'SELECT pg_terminate_backend($1)', [pid]);
    }
    const held = await restarted;
    const left = worker.get(Background).stop();
    held.release();
    await left;
    await worker.close();

    await expect.poll(() => sessions(gatekeeper)).toEqual([]);
    await proxy.stop();
    await gatekeeper.stop();
  });

  it('stops when its worker could not get its advisory lock', async () => {
    const gatekeeper = await startGatekeeper({ IDENTITY_WORKER: 'apart' });
    const { worker, proxy } = await startWorker(gatekeeper);
    await query(gatekeeper.stack.ownerUrl, 'REVOKE EXECUTE ON FUNCTION pg_advisory_lock(int, int) FROM PUBLIC');
    await worker.get(Background).start();

    await worker.get(Background).stop();
    await worker.close();
    await expect.poll(() => sessions(gatekeeper)).toEqual([]);
    await proxy.stop();
    await gatekeeper.stop();
  });
});
