import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { anonymizerEnv, type Env, startTestApp, type TestApp } from '../support/app.js';
import {
  addLocation,
  enrolmentToken,
  enrolNode,
  postJson,
  pulse,
  type TestNode,
  wireguardKey,
} from '../support/fleet.js';
import { createTestStack, query, type TestStack } from '../support/stack.js';
import { TestClock } from '../support/test-clock.js';
import { FleetService, OperatorLocationsService, NodeDirectoryService } from '../../src/nodes/index.js';
import { NodeStore } from '../../src/nodes/node.store.js';

const clock = new TestClock();
let stack: TestStack;
let service: TestApp;
let node: TestNode;
const others: TestApp[] = [];

async function start(env: Env = {}): Promise<TestApp> {
  const role = { SERVICE_ROLE: 'anonymizer', ISSUER_DIRECTORY_URL: 'http://127.0.0.1:9/' };
  return startTestApp({ ...role, ...anonymizerEnv(stack), ...env }, clock);
}

beforeAll(async () => {
  stack = await createTestStack();
  service = await start();
  await addLocation(service);
  node = await enrolNode(service);
});
afterEach(async () => {
  for (const other of others.splice(0)) await other.stop();
});
afterAll(async () => {
  await service.stop();
  await stack.stop();
});

const directory = () => service.app.get(NodeDirectoryService, { strict: false });
const problem = async (response: Response) => ({
  ...((await response.json()) as { code: string; detail: string }),
  status: response.status,
  type: response.headers.get('content-type')?.split(';')[0],
});

describe('POST /node/register', () => {
  const registration = () => ({ public_key: wireguardKey(), ip: '127.0.0.1', location_id: 'de-frankfurt' });
  const lowOrder = Buffer.from([1, ...Buffer.alloc(31)]).toString('base64');

  it.each<[string, unknown]>([
    ['public_key', undefined],
    ['public_key', 7],
    ['public_key', ''],
    ['public_key', 'A'.repeat(43)],
    ['public_key', lowOrder],
    ['public_key', 'A'.repeat(100)],
    ['ip', undefined],
    ['ip', 'node.example.com'],
    ['ip', '1.2.3'],
    ['ip', '1.2.3.256'],
    ['ip', '010.0.0.1'],
    ['ip', '0x7f000001'],
    ['ip', '203.0.113.7/24'],
    ['ip', ' 203.0.113.7'],
    ['ip', '0.0.0.0'],
    ['ip', '224.0.0.1'],
    ['ip', '255.255.255.255'],
    ['ip', '2001:db8::1'],
    ['ip_v6', '203.0.113.7'],
    ['ip_v6', '::'],
    ['ip_v6', 'ff02::1'],
    ['ip_v6', 'fe80::1%eth0'],
    ['ip_v6', '[2001:db8::1]'],
    ['ip_v6', '::ffff:203.0.113.7'],
    ['ip_v6', null],
    ['location_id', undefined],
    ['location_id', 'DE-Frankfurt'],
    ['location_id', "de'; DROP TABLE"],
    ['location_id', 'a'.repeat(65)],
    ['port', 0],
    ['port', 65_536],
    ['port', 1.5],
    ['port', '51820'],
    ['capacity', 0],
    ['capacity', 60_001],
    ['agent_version', ''],
    ['agent_version', 'v 1'],
    ['agent_version', 'x'.repeat(65)],
    ['status', 'healthy'],
  ])('refuses %s %j with a problem, and writes nothing', async (field, value) => {
    const token = await enrolmentToken(service);
    const response = await problem(
      await postJson(`${service.url}/node/register`, { ...registration(), [field]: value }, token),
    );
    expect(response).toMatchObject({ status: 400, code: 'invalid_request', type: 'application/problem+json' });
    expect(response.detail.length).toBeLessThan(300);
    const [left] = await query<{ uses_left: number }>(
      stack.ownerUrl,
      'SELECT uses_left FROM network."EnrolmentToken" WHERE hash = sha256($1::text::bytea)',
      [token],
    );
    expect(left?.uses_left).toBe(1);
  });

  it.each(['10.0.0.1', '192.168.1.1', '203.0.113.7', '100.64.0.1'])('accepts the unicast address %s', async (ip) => {
    await enrolNode(service, { ip });
  });

  it('refuses loopback and link-local addresses in production', async () => {
    const production = await start({ NODE_ENV: 'production', ISSUER_DIRECTORY_URL: 'https://127.0.0.1:9/' });
    others.push(production);
    for (const local of [{ ip: '127.0.0.1' }, { ip: '169.254.1.1' }, { ip_v6: '::1' }, { ip_v6: 'fe80::1' }]) {
      const body = { ...registration(), ip: '203.0.113.7', ...local };
      const response = await postJson(`${production.url}/node/register`, body, await enrolmentToken(production));
      expect(await problem(response)).toMatchObject({ status: 400, code: 'invalid_request' });
    }
    await enrolNode(production, { ip: '203.0.113.7', ip_v6: '2001:db8::7' });
  });

  it('answers 401 with WWW-Authenticate when the bearer is missing', async () => {
    for (const authorization of ['', 'Basic abc', 'Bearer', 'Bearer a b']) {
      const response = await fetch(`${service.url}/node/register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization },
        body: JSON.stringify(registration()),
      });
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
      expect(await problem(response)).toMatchObject({ status: 401, code: 'enrolment_token_invalid' });
    }
  });
});

describe('POST /node/{id}/pulse', () => {
  const send = (body: unknown, { id, credential }: TestNode = node) =>
    postJson(`${service.url}/node/${id}/pulse`, body, credential);

  it('accepts the specification’s literal request, and stores load and time', async () => {
    clock.advance(10_000);
    const response = await send({ currentLoad: 45 });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: 'healthy', next_pulse_s: 10 });
    const row = (await service.app.get(FleetService, { strict: false }).list()).find(({ id }) => id === node.id);
    expect(row).toMatchObject({ currentLoad: 45, lastPulseAt: clock.now() });
  });

  it('accepts totals of the node, and a fractional load', async () => {
    const response = await send({ currentLoad: 99.6, peers: 12, rx_bytes: 2 ** 40, tx_bytes: 0 });
    expect(response.status).toBe(200);
  });

  it.each([
    {},
    { currentLoad: -1 },
    { currentLoad: 100.1 },
    { currentLoad: '45' },
    { currentLoad: null },
    { currentLoad: 45, peers: -1 },
    { currentLoad: 45, peers: 60_001 },
    { currentLoad: 45, rx_bytes: 1.5 },
    { currentLoad: 45, tx_bytes: -1 },
    { currentLoad: 45, accepting: 'no' },
    { currentLoad: 45, clients: ['203.0.113.9'] },
    [[]],
    'pulse',
  ])('refuses %j', async (body) => {
    expect(await problem(await send(body))).toMatchObject({ status: 400, type: 'application/problem+json' });
  });

  it('accepts only the node’s own credential', async () => {
    const other = await enrolNode(service);
    for (const [id, credential] of [
      [node.id, other.credential],
      [node.id, 'x'.repeat(43)],
      [node.id, ''],
      [randomUUID(), node.credential],
      ['register', node.credential],
      ['%27', node.credential],
      [`${node.id}0`, node.credential],
    ] as const) {
      const response = await send({ currentLoad: 1 }, { ...node, id, credential });
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
      expect(await problem(response)).toMatchObject({ status: 401, code: 'invalid_node_credential' });
    }
  });

  it('excludes a node from allocation while it is not accepting connections', async () => {
    const location = 'lu-luxembourg';
    await addLocation(service, location);
    const subject = await enrolNode(service, { location_id: location });
    const directory = service.app.get(NodeDirectoryService, { strict: false });
    const chosen = async () => {
      await directory.refresh();
      return directory.candidates(location).map((candidate) => candidate?.id);
    };
    expect(await chosen()).toEqual([subject.id]);
    expect(await (await send({ currentLoad: 1, accepting: false }, subject)).json()).toMatchObject({
      status: 'unhealthy',
    });
    expect(await chosen()).toEqual([]);
    // As a node does after a restart.
    expect(await (await send({ currentLoad: 1, accepting: true }, subject)).json()).toMatchObject({
      status: 'healthy',
    });
    expect(await chosen()).toEqual([subject.id]);
  });

  it('returns the status that the operator has set', async () => {
    const subject = await enrolNode(service);
    const fleet = service.app.get(FleetService, { strict: false });
    await fleet.drain(subject.id);
    expect(await (await send({ currentLoad: 1 }, subject)).json()).toMatchObject({ status: 'draining' });
    await fleet.resume(subject.id);
    expect(await (await send({ currentLoad: 1 }, subject)).json()).toMatchObject({ status: 'healthy' });
    await expect(fleet.resume(subject.id)).rejects.toMatchObject({ code: 'node_not_draining' });
    await fleet.retire(subject.id);
    await expect(fleet.resume(subject.id)).rejects.toMatchObject({ code: 'node_retired' });
    expect(await (await send({ currentLoad: 1 }, subject)).json()).toMatchObject({ status: 'retired' });
    await expect(fleet.drain(subject.id)).rejects.toMatchObject({ code: 'node_retired' });
    await expect(fleet.drain(randomUUID())).rejects.toMatchObject({ code: 'node_not_found' });
    await expect(fleet.resume(randomUUID())).rejects.toMatchObject({ code: 'node_not_found' });
    await expect(fleet.retire('nonsense')).rejects.toMatchObject({ code: 'node_not_found' });
  });
});

describe('rate limits of nodes', () => {
  /** Starts a replica with low limits; `send` sends a pulse and counts the database queries for the credential. */
  async function startLimited(env: Env) {
    await stack.flushRedis();
    const limited = await start(env);
    others.push(limited);
    const find = vi.spyOn(limited.app.get(NodeStore, { strict: false }), 'find');
    const send = async (as: TestNode) => {
      find.mockClear();
      const { status } = await pulse(limited, as);
      return { status, queries: find.mock.calls.length };
    };
    return { limited, send };
  }
  const served = { status: 200, queries: 1 };
  // Polled, because a slow Redis lets a request through.
  const refused = { status: 429, queries: 0 };

  it('count wrong credentials against the client address, and refuse more before the database is queried', async () => {
    const { send } = await startLimited({ RATE_LIMIT_NETWORK_ADDRESS_PER_MINUTE: '2' });
    const wrong = { ...node, credential: 'wrong' };
    for (const guess of [wrong, wrong]) expect(await send(guess)).toEqual({ status: 401, queries: 1 });
    await expect.poll(() => send(wrong)).toEqual(refused);
    await expect.poll(() => send({ ...node, id: randomUUID() })).toEqual(refused);
  });

  it('do not count a known node against its address, with its current or rotated credential', async () => {
    const { limited, send } = await startLimited({ RATE_LIMIT_NETWORK_ADDRESS_PER_MINUTE: '1' });
    await expect.poll(() => send({ ...node, credential: 'wrong' })).toEqual(refused);
    expect(await send(node)).toEqual(served);
    const rotating = await enrolNode(service);
    const again = { public_key: rotating.publicKey, ip: '127.0.0.1', location_id: 'de-frankfurt' };
    const answer = await postJson(`${service.url}/node/register`, again, rotating.credential);
    const { credential } = (await answer.json()) as TestNode;
    await limited.app.get(NodeDirectoryService, { strict: false }).refresh();
    expect(await send(rotating)).toEqual(served);
    expect(await send({ ...rotating, credential })).toEqual(served);
  });

  it('count the requests of a node against the node', async () => {
    const { send } = await startLimited({ RATE_LIMIT_NODE_PER_MINUTE: '2' });
    for (const own of [node, node]) expect(await send(own)).toEqual(served);
    await expect.poll(() => send(node)).toEqual({ status: 429, queries: 1 });
    expect(await send(await enrolNode(service))).toEqual(served);
  });
});

describe('GET /vpn/locations', () => {
  interface List {
    locations: { id: string; load: number; available: boolean }[];
  }

  const get = (headers: Record<string, string> = {}) => fetch(`${service.url}/vpn/locations`, { headers });
  const listed = async (id: string) =>
    ((await (await get()).json()) as List).locations.find((location) => location.id === id);

  it('lists enabled locations without authentication, cacheable, with the load in quarters', async () => {
    await addLocation(service, 'se-malmo');
    await directory().refresh();
    const response = await get();
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    expect(response.headers.get('cache-control')).toBe('public, max-age=30');
    const list = (await response.json()) as List;
    expect(list.locations.at(-1)).toEqual({
      id: 'se-malmo',
      country: 'DE',
      city: 'Frankfurt',
      latitude: 50.1,
      longitude: 8.7,
      load: 100,
      available: false,
    });
    await enrolNode(service, { location_id: 'se-malmo' });
    expect(await listed('se-malmo')).toMatchObject({ load: 0, available: true });
  });

  it('answers 304 while nothing has changed', async () => {
    const etag = (await get()).headers.get('etag') ?? '';
    expect(etag).toMatch(/^"[\w-]+"$/);
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const response = await get({ 'if-none-match': known });
      expect([response.status, await response.text(), response.headers.get('etag')]).toEqual([304, '', etag]);
    }
    await directory().refresh();
    expect((await get({ 'if-none-match': etag })).status).toBe(304);
    await addLocation(service, 'no-oslo');
    await directory().refresh();
    expect((await get({ 'if-none-match': etag })).status).toBe(200);
  });

  it('omits a location once the operator has disabled it', async () => {
    const locations = service.app.get(OperatorLocationsService, { strict: false });
    await addLocation(service, 'dk-copenhagen');
    await directory().refresh();
    expect(await listed('dk-copenhagen')).toBeDefined();
    await locations.setEnabled('dk-copenhagen', false);
    await expect.poll(() => listed('dk-copenhagen')).toBeUndefined();
    expect(directory().current().locations.get('dk-copenhagen')).toMatchObject({ enabled: false });
    await expect(locations.setEnabled('xx-nowhere', true)).rejects.toMatchObject({ code: 'unknown_location' });
    await expect(addLocation(service, 'dk-copenhagen')).rejects.toMatchObject({ code: 'location_exists' });
  });
});
