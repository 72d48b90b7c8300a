import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type KnownConnection, type LiveConnection } from './connection.js';
import { type KnownRow, knownRow } from './known-row.js';

const [id, otherId] = [randomUUID(), randomUUID()];
const [publicKey, otherKey] = [randomBytes(32), randomBytes(32)];

const live = (change: Partial<LiveConnection>): LiveConnection => ({
  id,
  status: 'active',
  revision: 1,
  nodeId: randomUUID(),
  slot: 1,
  publicKey,
  salt: randomBytes(16),
  secretKeyId: randomBytes(8),
  dnsBlocking: 'none',
  expiresAt: new Date('2030-01-02T12:00:00Z'),
  ...change,
});

describe('knownRow', () => {
  it.each<[state: KnownRow['state'], found: KnownConnection | undefined]>([
    ['none', undefined],
    ['none, key in use', live({ id: otherId, status: 'pending' })],
    ['none, key in use', live({ id: otherId, status: 'active' })],
    ['none, key in use', live({ id: otherId, status: 'ending' })],
    ['own, pending', live({ status: 'pending' })],
    ['own, active', live({ status: 'active' })],
    ['own, ending', live({ status: 'ending' })],
    ['foreign, pending', live({ status: 'pending', publicKey: otherKey })],
    ['foreign, active', live({ status: 'active', publicKey: otherKey })],
    ['foreign, ending', live({ status: 'ending', publicKey: otherKey })],
    ['ended', { id, status: 'ended' }],
  ])('gives the state "%s"', (state, found) => {
    expect(knownRow(found, id, publicKey).state).toBe(state);
  });

  it('includes the connection only for the client with its public key', () => {
    const connection = live({});
    expect(knownRow(connection, id, publicKey)).toEqual({ state: 'own, active', connection });
    expect(knownRow(connection, id, otherKey)).toEqual({ state: 'foreign, active' });
    expect(knownRow(connection, otherId, publicKey)).toEqual({ state: 'none, key in use' });
  });
});
