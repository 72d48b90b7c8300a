import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Epoch, epochOf, epochSigningFrom } from '../../src/crypto/epoch.js';
import { HoldingProxy, type Moment } from '../support/holding-proxy.js';
import { query } from '../support/stack.js';
import { postgres } from '../support/wire-protocols.js';
import { blindedTexts, signInWithQuota, requestSignatures } from './users.js';
import { startCluster, type Cluster } from './cluster.js';

let cluster: Cluster;
let toPostgres: HoldingProxy;

beforeAll(async () => {
  cluster = await startCluster();
  toPostgres = await HoldingProxy.start([Number(new URL(cluster.services.ownerUrl).port)], postgres);
  await cluster.firstReplica.stop();
});

afterAll(async () => {
  await toPostgres.stop();
  await cluster.stop();
});

const days = (first: Epoch, last: Epoch) => Array.from({ length: last - first + 1 }, (_, n) => first + n);

describe.each<Moment>(['before', 'after'])('a service that is killed %s it stores an issuer key', (moment) => {
  it('leaves the next replica to create one key for each day', async () => {
    const through = toPostgres.through(cluster.env['IDENTITY_DATABASE_URL'] ?? '');
    const victim = await cluster.startReplica({ IDENTITY_DATABASE_URL: through });
    const reached = toPostgres.hold(moment, /INSERT INTO .*"IssuerKey"/);
    const startDay = epochOf(new Date());
    // The service notices within a second that the keys are missing, and creates new ones.
    await query(cluster.services.ownerUrl, 'DELETE FROM identity."IssuerKey"');
    await reached;
    await victim.kill();

    const successor = await cluster.startReplica();
    const rows = await query<{ from: Date }>(
      cluster.services.ownerUrl,
      'SELECT sign_from AS from FROM identity."IssuerKey" ORDER BY sign_from',
    );
    // The service creates today's and tomorrow's key. If a day ends during the test, it may have done so on both days.
    const todays = [startDay, epochOf(new Date())];
    const expected = todays.flatMap((first) => todays.map((last) => days(first, last + 1)));
    expect(expected).toContainEqual(rows.map(({ from }) => epochSigningFrom(from)));
    // Without a key id: the cluster's `keyId` is that of a deleted key.
    const user = { ...(await signInWithQuota(cluster, [successor.url], 1)), keyId: undefined };
    expect((await requestSignatures(successor.url, user, blindedTexts(1))).status).toBe(200);
    await successor.stop();
  });
});
