import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AgentNode, type RedemptionRequest, startAnonymizer, type TestAnonymizer } from '../support/anonymizer.js';
import { wireguardKey } from '../support/fleet.js';
import { holdMaintenanceJob } from '../support/maintenance.js';

let anonymizer: TestAnonymizer;
let node: AgentNode;
let start: Date;
let request: RedemptionRequest;
/** Holds the lock of the job that ends expired connections, so that it does not run during the tests. */
let expiryJob: Awaited<ReturnType<typeof holdMaintenanceJob>>;

beforeAll(async () => {
  anonymizer = await startAnonymizer();
  node = await anonymizer.addNode();
  start = anonymizer.clock.now();
  expiryJob = await holdMaintenanceJob(anonymizer.stack.ownerUrl, 'network', 'connection-expiry');
});

beforeEach(async () => {
  anonymizer.clock.set(start);
  request = await anonymizer.request();
});

afterAll(async () => {
  await expiryJob.release();
  await anonymizer.stop();
});

const reused = { status: 409, code: 'token_reused' };

describe('RedemptionService with an expired connection', () => {
  it('refuses the token, even before the expiry job has run and while the token would still verify', async () => {
    const { connection_id, expires_at = '' } = await anonymizer.connect(request);
    anonymizer.clock.set(new Date(new Date(expires_at).getTime() - 1));
    expect(await anonymizer.connect(request)).toMatchObject({ status: 200, connection_id, expires_at });
    anonymizer.clock.set(expires_at);
    expect(await anonymizer.redeem(request)).toMatchObject(reused);
    expect(await anonymizer.redeem({ ...request, public_key: wireguardKey() })).toMatchObject(reused);
    expect((await anonymizer.traces(request)).row?.status).toBe('active');
  });

  it('refuses the token even when Redis has lost the mark', async () => {
    const { expires_at = '' } = await anonymizer.connect(request);
    anonymizer.clock.set(expires_at);
    await anonymizer.stack.flushRedis();
    expect(await anonymizer.redeem(request)).toMatchObject(reused);
    expect(await node.driver.list()).toHaveLength(2);
  });
});

describe('the mark of a spent token', () => {
  it('expires after the token’s key', async () => {
    await anonymizer.connect(request);
    const { verifyUntil } = anonymizer.issuer.signingKey();
    const [mark = ''] = await anonymizer.redis.keys('spent:*');
    expect(await anonymizer.redis.expiretime(mark)).toBeGreaterThan(verifyUntil.getTime() / 1_000);
    anonymizer.clock.set(verifyUntil);
    expect(await anonymizer.redeem(request)).toMatchObject({ status: 401, code: 'token_expired' });
  });
});
