import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGatekeeper, type TestGatekeeper } from '../support/gatekeeper.js';
import { query } from '../support/stack.js';
import { TestClock } from '../support/test-clock.js';
import { runMaintenanceJob } from '../support/maintenance.js';
import { encodeBase64url } from '../../src/crypto/index.js';
import { IssuerKeysService } from '../../src/crypto/issuer/index.js';
import { IdentityMaintenance } from '../../src/prisma/identity/index.js';
import { type AnonymitySetReport } from '../../src/auth/issuance/anonymity-set.schema.js';
import { AnonymitySetService, rounded } from '../../src/auth/issuance/anonymity-set.service.js';
import { IssuanceStatisticsService } from '../../src/auth/issuance/index.js';

let gatekeeper: TestGatekeeper;

beforeAll(async () => {
  // At noon instead of now: keys change at midnight, and these tests move the clock by minutes.
  gatekeeper = await startGatekeeper({}, new TestClock());
  await sql(`INSERT INTO identity."Plan" (id, name, daily_tokens) VALUES ('a', 'A', 100), ('b', 'B', 100)`);
});

afterAll(() => gatekeeper.stop());

const minute = 60_000;
const day = 86_400_000;
const sql = <Row extends Record<string, unknown>>(text: string, values: unknown[] = []) =>
  query<Row>(gatekeeper.stack.ownerUrl, text, values);

/** Adds a key that stopped signing `stoppedMsAgo`, ten minutes after the end of its epoch. */
async function addKey(stoppedMsAgo: number): Promise<Buffer> {
  const keyId = randomBytes(32);
  const signUntil = gatekeeper.clock.now().getTime() - stoppedMsAgo;
  await sql(
    `INSERT INTO identity."IssuerKey" (key_id, spki, sign_from, sign_until, verify_until) VALUES ($1, $2, $3, $4, $5)`,
    [keyId, randomBytes(342), new Date(signUntil - day), new Date(signUntil), new Date(signUntil + 5 * day)],
  );
  return keyId;
}

async function addIssuance(keyId: Buffer, planId: string, tokens: number): Promise<void> {
  await sql(
    `WITH account AS (
       INSERT INTO identity."User" (firebase_uid, created_on) VALUES (gen_random_uuid()::text, '2026-01-01') RETURNING id)
     INSERT INTO identity."TokenIssuance" (user_id, key_id, plan_id, hashes)
     SELECT id, $1, $2, ARRAY(SELECT sha256(n::text::bytea) FROM generate_series(1, $3::int) n) FROM account`,
    [keyId, planId, tokens],
  );
}

const totalsOf = (keyId: Buffer) =>
  sql(`SELECT plan_id, tokens FROM identity."DailyIssuance" WHERE key_id = $1 ORDER BY plan_id`, [keyId]);
const issuancesOf = (keyId: Buffer) => sql(`SELECT 1 FROM identity."TokenIssuance" WHERE key_id = $1`, [keyId]);
const closeIssuance = () => runMaintenanceJob(gatekeeper.service.app.get(IdentityMaintenance), 'close-issuance');

describe('IssuanceStatisticsService', () => {
  it('deletes the issuances of a key that stopped signing, and stores totals per plan, or "<20"', async () => {
    const keyId = await addKey(5 * minute + 1000);
    await addIssuance(keyId, 'a', 15);
    await addIssuance(keyId, 'a', 5);
    await addIssuance(keyId, 'b', 19);
    await closeIssuance();
    expect(await issuancesOf(keyId)).toEqual([]);
    expect(await totalsOf(keyId)).toEqual([
      { plan_id: 'a', tokens: '20' },
      { plan_id: 'b', tokens: '<20' },
    ]);
  });

  it('waits five minutes after the key stopped signing, when no replica still writes its rows', async () => {
    const keyId = await addKey(4 * minute);
    await addIssuance(keyId, 'a', 30);
    await closeIssuance();
    expect(await issuancesOf(keyId)).toHaveLength(1);
    expect(await totalsOf(keyId)).toEqual([]);
  });

  it('changes no total when it closes a key again or concurrently', async () => {
    const keyId = await addKey(day);
    await addIssuance(keyId, 'a', 100);
    const statistics = gatekeeper.service.app.get(IssuanceStatisticsService, { strict: false });
    await Promise.all(Array.from({ length: 10 }, () => statistics.close()));
    await closeIssuance();
    expect(await totalsOf(keyId)).toEqual([{ plan_id: 'a', tokens: '100' }]);
  });

  it('adds late issuances to the total, and deletes them too', async () => {
    const keyId = await addKey(2 * day);
    for (const tokens of [5, 50, 7, 30]) {
      await addIssuance(keyId, 'a', tokens);
      await closeIssuance();
    }
    expect(await totalsOf(keyId)).toEqual([{ plan_id: 'a', tokens: '80' }]);
    expect(await issuancesOf(keyId)).toEqual([]);
  });

  it('dates the total by the day on which the key signed', async () => {
    const now = gatekeeper.clock.now().getTime();
    const midnight = Math.floor(now / day) * day;
    const keyId = await addKey(now - midnight + day - 10 * minute);
    await addIssuance(keyId, 'a', 40);
    await closeIssuance();
    const statistics = gatekeeper.service.app.get(IssuanceStatisticsService, { strict: false });
    const total = (await statistics.daily(7)).find((row) => Buffer.from(row.keyId).equals(keyId));
    expect(total).toMatchObject({ planId: 'a', tokens: '40', epoch: new Date(midnight - 2 * day) });
    expect((await statistics.daily(0)).some((row) => Buffer.from(row.keyId).equals(keyId))).toBe(false);
  });
});

describe('GET /auth/crowd', () => {
  const report = async () => {
    const response = await gatekeeper.get('/auth/crowd');
    expect(response.headers.get('cache-control')).toBe('public, max-age=300');
    return (await response.json()) as AnonymitySetReport;
  };

  it('reports the tokens of the current key as of the last count, not as of the request', async () => {
    const { keyId } = gatekeeper.service.app.get(IssuerKeysService, { strict: false }).signingKey();
    const before = await report();
    expect(before).toEqual({ keyId: encodeBase64url(keyId), tokens: '<20', asOf: expect.any(String) as string });
    await addIssuance(keyId, 'a', 1000);
    await addIssuance(keyId, 'b', 234);
    expect(await report()).toEqual(before);
    gatekeeper.clock.advance(30 * minute);
    await gatekeeper.service.app.get(AnonymitySetService, { strict: false }).refresh();
    expect(await report()).toEqual({ ...before, tokens: 1200, asOf: gatekeeper.clock.now().toISOString() });
  });

  it('reports "<20" for a new key until the next count', async () => {
    const keys = gatekeeper.service.app.get(IssuerKeysService, { strict: false });
    const last = await report();
    gatekeeper.clock.advance(day);
    await keys.ensureKeys();
    const next = await report();
    expect(next).toEqual({ keyId: encodeBase64url(keys.signingKey().keyId), tokens: '<20', asOf: last.asOf });
    expect(next.keyId).not.toBe(last.keyId);
  });

  it.each<[number, AnonymitySetReport['tokens']]>([
    [0, '<20'],
    [19, '<20'],
    [20, 20],
    [57, 57],
    [994, 990],
    [995, 1000],
    [1_234_567, 1_200_000],
  ])('rounds %i to %s', (tokens, expected) => expect(rounded(tokens)).toBe(expected));
});
