import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type TestApp } from '../support/app.js';
import { type PeerListDocument } from '../support/event-stream.js';
import { enrolNode, postJson, type TestNode } from '../support/fleet.js';
import { placeAt, placementOf, serviceOf, startFirstReplica } from '../support/peers.js';
import { createTestStack, query, type TestStack } from '../support/stack.js';
import { TestClock } from '../support/test-clock.js';
import { encodeWireguardKey, FleetService, slotAddresses } from '../../src/nodes/index.js';
import { ConnectionSecretsService } from '../../src/connection/connection-secrets.service.js';
import { LifecycleStore } from '../../src/connection/lifecycle.store.js';
import { OutboxStore } from '../../src/connection/peer-sync/outbox.store.js';

const clock = new TestClock();
let stack: TestStack;
let service: TestApp;
let node: TestNode;
beforeAll(async () => {
  stack = await createTestStack();
  service = await startFirstReplica(stack, clock);
});
beforeEach(async () => {
  node = await enrolNode(service);
});
afterAll(async () => {
  await service.stop();
  await stack.stop();
});

const get = (path: string, { id, credential }: TestNode = node) =>
  fetch(`${service.url}/node/${id}/${path}`, { headers: { authorization: `Bearer ${credential}` } });
const list = async () => (await (await get('peers')).json()) as PeerListDocument;
const acknowledge = (body: unknown, by: TestNode = node) =>
  postJson(`${service.url}/node/${by.id}/acks`, body, by.credential);
const problem = async (response: Response) => ({ status: response.status, ...((await response.json()) as object) });
const statusOf = async (id: string) =>
  (await query<{ status: string }>(stack.ownerUrl, 'SELECT status FROM network."Connection" WHERE id = $1', [id]))[0]
    ?.status;

describe('GET /node/{id}/peers', () => {
  it('lists exactly the peers that the node must have, in WireGuard’s format', async () => {
    const [pending, active, ending] = [
      await placeAt(service, node.id, { dnsBlocking: 'ads_trackers_malware' }),
      await placeAt(service, node.id),
      await placeAt(service, node.id),
    ];
    await serviceOf(service, OutboxStore).acknowledgeAdded(node.id, [active]);
    await query(stack.ownerUrl, `UPDATE network."Connection" SET status = 'ending' WHERE id = $1`, [ending.id]);
    await placeAt(service, node.id, { expiresAt: clock.now() });
    await placeAt(service, (await enrolNode(service)).id);
    const response = await get('peers');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    const body = (await response.json()) as PeerListDocument;
    const presharedKey = serviceOf(service, ConnectionSecretsService).presharedKey(
      pending.id,
      pending.salt,
      pending.secretKeyId,
    );
    expect(body.complete).toBe(true);
    expect(body.peers.map(({ connection_id }) => connection_id).sort()).toEqual([pending.id, active.id].sort());
    expect(body.peers.find(({ connection_id }) => connection_id === pending.id)).toEqual({
      connection_id: pending.id,
      revision: pending.revision,
      status: 'pending',
      public_key: encodeWireguardKey(pending.publicKey),
      preshared_key: encodeWireguardKey(presharedKey ?? Buffer.of()),
      allowed_ips: slotAddresses(pending.slot),
      dns_blocking: 'ads_trackers_malware',
      expires_at: pending.expiresAt.toISOString(),
    });
  });

  it('returns a complete empty list for a node without peers', async () => {
    expect(await list()).toEqual({ peers: [], complete: true });
  });

  it('lists 1,200 peers over several pages, each once', async () => {
    await query(
      stack.ownerUrl,
      `INSERT INTO network."Connection" (id, key_id, status, revision, node_id, slot, public_key, salt, secret_key_id,
                                         secret_hash, dns_blocking, started_on, expires_at)
       SELECT gen_random_uuid(), sha256('k'), 'active', 1, $1::uuid, 2 * s, sha256(('p' || s)::bytea), substring(sha256('s') for 16), $2,
              sha256(('s' || s)::bytea), 'none', '2030-01-01', '2030-01-02T12:00:00Z' FROM generate_series(1, 1200) s`,
      [node.id, serviceOf(service, ConnectionSecretsService).currentKeyId],
    );
    const { peers, complete } = await list();
    expect([peers.length, new Set(peers.map(({ public_key }) => public_key)).size, complete]).toEqual([
      1200,
      1200,
      true,
    ]);
    expect(peers.at(-1)?.allowed_ips).toEqual(slotAddresses(2400));
  });

  it('fails when the database is down at the start or in the middle, and never returns a shorter list', async () => {
    const peersOf = vi.spyOn(serviceOf(service, OutboxStore), 'peersOf');
    const down = Object.assign(new Error('down'), { code: 'ECONNREFUSED' });
    const page = await Promise.all(Array.from({ length: 3 }, async () => placeAt(service, node.id)));
    try {
      peersOf.mockRejectedValueOnce(down);
      expect(await problem(await get('peers'))).toMatchObject({ status: 503, code: 'unavailable' });
      const { 0: row } = await serviceOf(service, OutboxStore).peersOf(node.id, clock.now(), 0, 1);
      if (row === undefined) throw new Error(`none of ${page.length} peers`);
      // After a full page, the next page is read.
      peersOf.mockResolvedValueOnce(Array.from({ length: 500 }, () => row)).mockRejectedValueOnce(down);
      await expect(list()).rejects.toThrow();
    } finally {
      peersOf.mockRestore();
    }
    expect((await list()).peers).toHaveLength(page.length);
  });

  it('marks the list as incomplete when the server key of a peer is not configured', async () => {
    const known = await placeAt(service, node.id);
    await placeAt(service, node.id, { secretKeyId: Buffer.alloc(8, 9) });
    const { peers, complete } = await list();
    expect([peers.map(({ connection_id }) => connection_id), complete]).toEqual([[known.id], false]);
  });
});

describe('POST /node/{id}/acks', () => {
  it('makes pending connections active, ends ending ones, and counts what it changed', async () => {
    const [added, removed] = [await placeAt(service, node.id), await placeAt(service, node.id)];
    await query(stack.ownerUrl, `UPDATE network."Connection" SET status = 'ending' WHERE id = $1`, [removed.id]);
    const body = { added: [placementOf(added)], removed: [placementOf(removed)] };
    expect(await (await acknowledge(body)).json()).toEqual({ added: 1, removed: 1 });
    expect([await statusOf(added.id), await statusOf(removed.id)]).toEqual(['active', 'ended']);
    expect(await (await acknowledge(body)).json()).toEqual({ added: 0, removed: 0 });
  });

  it('accepts an empty body, and ignores unknown placements', async () => {
    const unknown = [{ connection_id: randomUUID(), revision: 1 }];
    expect(await (await acknowledge({})).json()).toEqual({ added: 0, removed: 0 });
    expect(await (await acknowledge({ added: unknown, removed: unknown })).json()).toEqual({ added: 0, removed: 0 });
  });

  it('does not change connections of another node', async () => {
    const [other, placed] = [await enrolNode(service), await placeAt(service, node.id)];
    expect(await (await acknowledge({ added: [placementOf(placed)] }, other)).json()).toEqual({ added: 0, removed: 0 });
    expect(await statusOf(placed.id)).toBe('pending');
  });

  const placement = { connection_id: randomUUID(), revision: 1 };
  it.each<[string, unknown]>([
    ['a list', []],
    ['a text', 'added'],
    ['null', { added: null }],
    ['something that is not a list', { added: placement }],
    ['an invalid id', { added: [{ ...placement, connection_id: "'; DROP TABLE" }] }],
    ['no id', { added: [{ revision: 1 }] }],
    ['no revision', { removed: [{ connection_id: placement.connection_id }] }],
    ['revision 0', { added: [{ ...placement, revision: 0 }] }],
    ['a revision past 32 bits', { added: [{ ...placement, revision: 2 ** 31 }] }],
    ['half a revision', { added: [{ ...placement, revision: 1.5 }] }],
    ['a revision as text', { added: [{ ...placement, revision: '1' }] }],
    ['an unknown member', { added: [], all: true }],
    ['an unknown member of a placement', { added: [{ ...placement, public_key: 'x' }] }],
    ['5,001 placements', { removed: Array(5_001).fill(placement) as unknown[] }],
  ])('refuses %s, and says what was expected', async (_, body) => {
    const response = await problem(await acknowledge(body));
    expect(response).toMatchObject({ status: 400, code: 'invalid_request' });
  });

  it('accepts 5,000 of each in one request', async () => {
    const many = Array(5_000).fill({ connection_id: randomUUID(), revision: 2 ** 31 - 1 }) as unknown[];
    expect((await acknowledge({ added: many, removed: many })).status).toBe(200);
  });
});

describe('NodeGuard', () => {
  it.each(['peers', 'events'])('allows GET %s only with the node’s own credential', async (path) => {
    const other = await enrolNode(service);
    for (const bearer of [
      { ...node, credential: other.credential },
      { ...node, credential: 'wrong' },
      { ...node, id: 'x' },
    ]) {
      expect(await problem(await get(path, bearer))).toMatchObject({ status: 401, code: 'invalid_node_credential' });
    }
  });

  it('allows acknowledgements only with the node’s own credential', async () => {
    const other = await enrolNode(service);
    const placed = await placeAt(service, node.id);
    const response = await acknowledge({ added: [placementOf(placed)] }, { ...node, credential: other.credential });
    expect(await problem(response)).toMatchObject({ status: 401, code: 'invalid_node_credential' });
    expect(await statusOf(placed.id)).toBe('pending');
  });
});

describe('PeersController with a retired node', () => {
  it('lists no peers, ignores acknowledged additions, and accepts acknowledged removals', async () => {
    const [pending, active] = [await placeAt(service, node.id), await placeAt(service, node.id)];
    await serviceOf(service, OutboxStore).acknowledgeAdded(node.id, [active]);
    await serviceOf(service, FleetService).retire(node.id);
    expect(await list()).toEqual({ peers: [], complete: true });
    expect(await (await acknowledge({ added: [placementOf(pending)] })).json()).toEqual({ added: 0, removed: 0 });
    await serviceOf(service, LifecycleStore).endOnRetiredNodes();
    expect(await (await acknowledge({ removed: [placementOf(active)] })).json()).toEqual({ added: 0, removed: 1 });
    expect([await statusOf(pending.id), await statusOf(active.id)]).toEqual([undefined, 'ended']);
  });
});
