import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestStack, query, type TestStack } from '../support/stack.js';

let stack: TestStack;
beforeAll(async () => {
  stack = await createTestStack();
  await query(stack.ownerUrl, `INSERT INTO network."Location" VALUES ('de-frankfurt', 'DE', 'Frankfurt', 50.1, 8.7)`);
});
afterAll(() => stack.stop());

type Row = Record<string, unknown>;

async function insert(url: string, table: string, row: Row): Promise<void> {
  const columns = Object.keys(row);
  const places = columns.map((_, index) => `$${index + 1}`);
  await query(url, `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${places.join(', ')})`, Object.values(row));
}

const live = (): Row => ({
  id: randomUUID(),
  key_id: randomBytes(32),
  status: 'active',
  node_id: randomUUID(),
  slot: 1,
  public_key: randomBytes(32),
  salt: randomBytes(16),
  secret_key_id: randomBytes(8),
  secret_hash: randomBytes(32),
  dns_blocking: 'none',
  started_on: '2030-01-01',
  expires_at: '2030-01-02T12:00:00Z',
});

const kept = ['id', 'key_id', 'status'];
const erased = Object.keys(live()).filter((column) => !kept.includes(column));
const tombstone = (): Row =>
  Object.fromEntries([...Object.entries({ ...live(), status: 'ended' })].filter(([column]) => kept.includes(column)));

const node = (): Row => ({
  location_id: 'de-frankfurt',
  public_key: randomBytes(32),
  ip: '192.0.2.1',
  port: 51820,
  capacity: 60_000,
  status: 'healthy',
  last_pulse_at: '2030-01-01T00:00:00Z',
  credential_hash: randomBytes(32),
  enrolled_with: randomBytes(32),
  enrolled_at: '2030-01-01T00:00:00Z',
});

const refused = /violates check constraint/;

describe('the table Connection', () => {
  const store = (row: Row) => insert(stack.networkUrl, 'network."Connection"', row);

  it('accepts a complete live row, and an ended row with nothing but its tombstone', async () => {
    await store(live());
    await store(tombstone());
  });

  it.each(erased)('refuses a live row without %s, and an ended row with it', async (column) => {
    await expect(store({ ...live(), [column]: null })).rejects.toThrow(refused);
    await expect(store({ ...tombstone(), [column]: live()[column] })).rejects.toThrow(refused);
  });

  it.each(['2030-01-02T12:30:00Z', '2030-01-02T12:00:01Z', '2030-01-02T12:00:00+05:30'])(
    'refuses the expiry %s, which is not a full hour',
    async (expires_at) => {
      await expect(store({ ...live(), expires_at })).rejects.toThrow(refused);
    },
  );

  it.each([
    ['slot', 0],
    ['slot', 60_001],
    ['revision', 0],
    ['key_id', randomBytes(31)],
    ['public_key', randomBytes(33)],
    ['salt', randomBytes(15)],
    ['secret_key_id', randomBytes(7)],
    ['secret_hash', randomBytes(31)],
  ])('refuses a bad %s', async (column, value) => {
    await expect(store({ ...live(), [column]: value })).rejects.toThrow(refused);
  });
});

describe('the table Node', () => {
  const store = (row: Row) => insert(stack.networkUrl, 'network."Node"', row);

  it('accepts a complete row', () => store({ ...node(), ip_v6: '2001:db8::1', next_credential_hash: randomBytes(32) }));

  it.each([
    ['capacity', 0],
    ['capacity', 60_001],
    ['current_load', -1],
    ['current_load', 101],
    ['port', 0],
    ['port', 65_536],
    ['ip', '2001:db8::1'],
    ['ip', '192.0.2.0/24'],
    ['ip_v6', '192.0.2.1'],
    ['public_key', randomBytes(31)],
    ['credential_hash', randomBytes(31)],
    ['next_credential_hash', randomBytes(33)],
    ['enrolled_with', randomBytes(31)],
  ])('refuses a bad %s', async (column, value) => {
    await expect(store({ ...node(), [column]: value })).rejects.toThrow(refused);
  });
});

describe('the tables of keys', () => {
  const times = { sign_until: '2030-01-02T00:10:00Z', verify_until: '2030-01-03T00:10:00Z' };
  const key = { key_id: randomBytes(32), spki: randomBytes(342), ...times };
  const tables = [
    { side: 'identity', table: 'IssuerKey', from: 'sign_from' },
    { side: 'network', table: 'VerifierKey', from: 'not_before' },
  ] as const;

  it.each(tables)('accept a valid $table, and refuse malformed ones', async ({ side, table, from }) => {
    const store = (row: Row) =>
      insert(stack[`${side}Url`], `${side}."${table}"`, { ...key, [from]: '2030-01-01T00:00:00Z', ...row });
    await store({});
    for (const bad of [
      { key_id: randomBytes(31) },
      { key_id: randomBytes(32), spki: randomBytes(346) },
      { key_id: randomBytes(32), [from]: times.sign_until },
      { key_id: randomBytes(32), verify_until: '2030-01-02T00:00:00Z' },
    ]) {
      await expect(store(bad)).rejects.toThrow(refused);
    }
  });
});

describe('the table DailyUsage', () => {
  const store = (redemptions: string) =>
    insert(stack.networkUrl, 'network."DailyUsage"', {
      epoch: '2030-01-01',
      location_id: redemptions,
      redemptions,
      peak: '<20',
    });

  it.each(['<20', '20', '99', '100', '1234567'])('accepts the count %s', store);
  it.each(['19', '0', '', '<30', '020', '-20'])('refuses the count %j', async (count) => {
    await expect(store(count)).rejects.toThrow(refused);
  });
});
