import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { blindedTexts, replyOf, startIssuing, type TestIssuing } from '../../../test/support/issuing.js';
import { patiently } from '../../../test/support/patiently.js';
import { query } from '../../../test/support/stack.js';
import { IssuerKeysService } from '../../crypto/issuer/index.js';
import { IssuanceStore } from './issuance.store.js';

const dayMs = 86_400_000;
let issuing: TestIssuing;
let start: Date;

beforeAll(async () => {
  issuing = await startIssuing();
  start = issuing.clock.now();
});

afterEach(() => issuing.clock.set(start));

afterAll(() => issuing.stop());

describe('IssuanceStore', () => {
  it('enforces a quota of 10 against 100 concurrent requests', async () => {
    const user = await issuing.signInWithQuota(10);
    const responses = await Promise.all(
      blindedTexts(100).map((blindedToken) => patiently(() => issuing.issue(user.headers, { blindedToken }))),
    );
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(10);
    expect(responses.filter(({ status }) => status === 429)).toHaveLength(90);
    expect(await issuing.countedFor(user)).toBe(10);
  });

  it('signs racing batches completely or not at all, and never beyond the quota', async () => {
    const user = await issuing.signInWithQuota(10);
    const responses = await Promise.all(
      Array.from({ length: 30 }, (_, n) => blindedTexts(1 + (n % 4))).map((blindedTokens) =>
        patiently(() => issuing.issue(user.headers, { blindedTokens })),
      ),
    );
    const replies = await Promise.all(responses.map(replyOf));
    const sizes = replies.map(({ signatures = [] }) => signatures.length);
    expect(replies.every(({ status }, n) => (status === 200 ? sizes[n] === 1 + (n % 4) : sizes[n] === 0))).toBe(true);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    expect(await issuing.countedFor(user)).toBe(total);
    expect(total).toBeLessThanOrEqual(10);
    expect(total).toBeGreaterThan(6);
  });

  it('counts a repeated message once, even in a race, and returns the same signature', async () => {
    const user = await issuing.signInWithQuota(2);
    const blindedTokens = blindedTexts(2);
    const responses = await Promise.all(
      Array.from({ length: 40 }, () => patiently(() => issuing.issue(user.headers, { blindedTokens }))),
    );
    const replies = await Promise.all(responses.map(replyOf));
    expect(new Set(replies.map(({ signatures }) => signatures.join()))).toHaveProperty('size', 1);
    expect(replies.every(({ status }) => status === 200)).toBe(true);
    expect(await issuing.countedFor(user)).toBe(2);
  });

  it('refuses a batch that does not fit, reports what is left and when it resets, and counts nothing', async () => {
    const user = await issuing.signInWithQuota(5);
    const midnight = (Math.floor(start.getTime() / dayMs) + 2) * dayMs;
    issuing.clock.set(new Date(midnight - 3_600_000));
    await issuing.service.app.get(IssuerKeysService, { strict: false }).ensureKeys();
    const headers = await issuing.signInForDays(user);
    expect((await issuing.issue(headers, { blindedTokens: blindedTexts(3) })).status).toBe(200);
    const refused = await issuing.issue(headers, { blindedTokens: blindedTexts(3) });
    expect(refused.headers.get('retry-after')).toBe('3600');
    expect(await replyOf(refused)).toMatchObject({
      status: 429,
      code: 'token_quota_exceeded',
      remaining: 2,
      resetsAt: new Date(midnight).toISOString(),
    });
    expect((await issuing.issue(headers, { blindedTokens: blindedTexts(2) })).status).toBe(200);
    expect((await replyOf(await issuing.issue(headers, { blindedTokens: blindedTexts(1) }))).remaining).toBe(0);
  });

  it('refuses a first request that alone exceeds the quota', async () => {
    const user = await issuing.signInWithQuota(3);
    const refused = await replyOf(await issuing.issue(user.headers, { blindedTokens: blindedTexts(4) }));
    expect(refused).toMatchObject({ status: 429, remaining: 3 });
    expect(await issuing.countedFor(user)).toBe(0);
  });

  it('still signs counted messages after the quota became smaller, but no new ones', async () => {
    const user = await issuing.signInWithQuota(5);
    const blindedTokens = blindedTexts(5);
    await issuing.issue(user.headers, { blindedTokens });
    await issuing.movePlan(user, 3);
    expect((await issuing.issue(user.headers, { blindedToken: blindedTokens[4] })).status).toBe(200);
    expect((await issuing.issue(user.headers, { blindedToken: blindedTexts(1)[0] })).status).toBe(429);
    expect(await issuing.countedFor(user)).toBe(5);
  });

  it('counts the quota of each user separately', async () => {
    const [one, other] = [await issuing.signInWithQuota(1), await issuing.signInWithQuota(1)];
    expect((await issuing.issue(one.headers, { blindedTokens: blindedTexts(1) })).status).toBe(200);
    expect((await issuing.issue(other.headers, { blindedTokens: blindedTexts(1) })).status).toBe(200);
  });

  it('enforces the quota against 100 direct calls, 20 at once, that share a message', async () => {
    const user = await issuing.signInWithQuota(10);
    const store = issuing.service.app.get(IssuanceStore, { strict: false });
    const [row] = await query<{ id: string }>(
      issuing.stack.ownerUrl,
      'SELECT id FROM identity."User" WHERE firebase_uid = $1',
      [user.uid],
    );
    const shared = randomBytes(32);
    const issuance = { userId: row?.id ?? '', keyId: (await issuing.currentKey()).keyId, planId: 'quota-10' };
    const fits = [];
    while (fits.length < 100) {
      const calls = Array.from({ length: 20 }, () =>
        store.countAgainstQuota({ ...issuance, hashes: [shared, randomBytes(32)] }, 10),
      );
      fits.push(...(await Promise.all(calls)));
    }
    expect(fits.filter(Boolean)).toHaveLength(9);
    expect(await issuing.countedFor(user)).toBe(10);
  });
});
