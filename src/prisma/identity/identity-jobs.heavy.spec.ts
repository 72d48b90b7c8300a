import { expect, it } from 'vitest';
import { startGatekeeper } from '../../../test/support/gatekeeper.js';
import { HoldingProxy } from '../../../test/support/holding-proxy.js';
import { query } from '../../../test/support/stack.js';
import { postgres } from '../../../test/support/wire-protocols.js';
import { createWorker } from '../../app.js';
import { Background } from '../../health/index.js';

it('a process leaves, though its worker is just being started again after the database had gone', async () => {
  const gatekeeper = await startGatekeeper({ IDENTITY_WORKER: 'apart' });
  const { ownerUrl, identityUrl } = gatekeeper.stack;
  const proxy = await HoldingProxy.start([Number(new URL(identityUrl).port)], postgres);
  const { common, gatekeeper: side } = gatekeeper.service.config;
  if (side === undefined) throw new Error('no gatekeeper');
  const worker = await createWorker({
    common,
    gatekeeper: { ...side, worker: 'inside', databaseUrl: proxy.through(identityUrl) },
  });
  await worker.get(Background).start();

  const startedAgain = proxy.hold('before', /migrations order by id desc/);
  await query(
    ownerUrl,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'identity-jobs' AND datname = current_database()`,
  );
  const held = await startedAgain;
  const left = worker.get(Background).stop();
  held.release();
  await left;
  await worker.close();

  const sessions = `SELECT 1 FROM pg_stat_activity WHERE application_name = 'identity-jobs' AND datname = current_database()`;
  await expect.poll(() => query(ownerUrl, sessions)).toEqual([]);
  await proxy.stop();
  await gatekeeper.stop();
});
