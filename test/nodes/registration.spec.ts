import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { anonymizerEnv, startTestApp, type TestApp } from '../support/app.js';
import {
  addLocation,
  enrolmentToken,
  enrolNode,
  postJson,
  pulse,
  type TestNode,
  wireguardKey,
} from '../support/fleet.js';
import { patiently } from '../support/patiently.js';
import { createTestStack, query, type TestStack } from '../support/stack.js';
import { TestClock } from '../support/test-clock.js';
import { runMaintenanceJob } from '../support/maintenance.js';
import { NetworkMaintenance } from '../../src/prisma/network/index.js';
import { EnrolmentTokensService, FleetService, NodeDirectoryService } from '../../src/nodes/index.js';

const minute = 60_000;
const clock = new TestClock();
let stack: TestStack;
let service: TestApp;

beforeAll(async () => {
  stack = await createTestStack();
  service = await startTestApp(
    { SERVICE_ROLE: 'anonymizer', ISSUER_DIRECTORY_URL: 'http://127.0.0.1:9/', ...anonymizerEnv(stack) },
    clock,
  );
  await addLocation(service, 'de-frankfurt');
  await addLocation(service, 'fi-helsinki');
});
afterAll(async () => {
  await service.stop();
  await stack.stop();
});
beforeEach(() => clock.set('2030-01-01T12:00:00Z'));

interface Answer {
  readonly status: number;
  readonly code?: string;
  readonly id?: string;
  readonly credential?: string;
  readonly detail?: string;
}

const operator = () => ({
  tokens: service.app.get(EnrolmentTokensService, { strict: false }),
  fleet: service.app.get(FleetService, { strict: false }),
});

async function register(bearer: string | undefined, overrides: Record<string, unknown> = {}): Promise<Answer> {
  const body = { public_key: wireguardKey(), ip: '127.0.0.1', location_id: 'de-frankfurt', ...overrides };
  const response = await patiently(() => postJson(`${service.url}/node/register`, body, bearer));
  return { ...((await response.json()) as object), status: response.status };
}

const again = (node: TestNode, bearer: string, overrides: Record<string, unknown> = {}) =>
  register(bearer, { public_key: node.publicKey, ...overrides });

const nodeRow = async (id: string) =>
  (await query(stack.ownerUrl, 'SELECT *, host(ip) AS host FROM network."Node" WHERE id = $1', [id]))[0];

const countNodes = async () =>
  (await query<{ count: number }>(stack.ownerUrl, 'SELECT count(*)::int FROM network."Node"'))[0]?.count ?? NaN;

const usesLeft = async (token: string) =>
  (
    await query<{ uses_left: number }>(
      stack.ownerUrl,
      `SELECT uses_left FROM network."EnrolmentToken" WHERE hash = sha256($1::text::bytea)`,
      [token],
    )
  )[0]?.uses_left;

const inPulse = async (node: TestNode, credential: string) =>
  (await patiently(() => pulse(service, { ...node, credential }))).status;

describe('RegistrationService: enrolling a node', () => {
  it('accepts the specification’s literal request, and returns what the node needs', async () => {
    const token = await enrolmentToken(service);
    const body = { public_key: wireguardKey(), ip: '127.0.0.1', location_id: 'de-frankfurt' };
    const response = await postJson(`${service.url}/node/register`, body, token);
    expect(response.status).toBe(201);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.json()).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      credential: expect.stringMatching(/^[\w-]{43}$/) as string,
      interface: {
        addresses: ['10.64.0.1/16', 'fdb7:4a2c:91e6::1/112'],
        resolvers: {
          none: ['10.64.0.2', 'fdb7:4a2c:91e6::2'],
          ads: ['10.64.0.3', 'fdb7:4a2c:91e6::3'],
          ads_trackers_malware: ['10.64.0.4', 'fdb7:4a2c:91e6::4'],
        },
        listen_port: 51820,
        mtu: 1420,
      },
    });
  });

  it('creates a healthy node that this process uses at once, and stores no secret in clear text', async () => {
    const node = await enrolNode(service, {
      location_id: 'fi-helsinki',
      ip_v6: '2001:DB8::07',
      port: 443,
      capacity: 5,
    });
    const directory = service.app.get(NodeDirectoryService, { strict: false });
    expect(directory.candidates('fi-helsinki')).toEqual([
      {
        id: node.id,
        locationId: 'fi-helsinki',
        publicKey: node.publicKey,
        ip: '127.0.0.1',
        ipV6: '2001:db8::7',
        port: 443,
        capacity: 5,
        currentLoad: 0,
        status: 'healthy',
        credentialHints: expect.stringMatching(/^[0-9a-f]{8}$/) as string,
        live: 0,
      },
    ]);
    const dump = JSON.stringify(await query(stack.ownerUrl, 'SELECT n::text FROM network."Node" n'));
    expect(dump).toContain(node.id);
    expect(dump).not.toContain(node.credential);
    expect(dump).not.toContain(Buffer.from(node.credential).toString('hex'));
  });

  it.each([
    ['no token', undefined],
    ['an unknown token', 'x'.repeat(43)],
    ['an empty token', ''],
  ])('refuses %s', async (_, token) => {
    const before = await countNodes();
    expect(await register(token)).toMatchObject({ status: 401, code: 'enrolment_token_invalid' });
    expect(await countNodes()).toBe(before);
  });

  it('refuses a token that has expired, is used up or was revoked', async () => {
    const usedUp = await enrolmentToken(service);
    expect((await register(usedUp)).status).toBe(201);
    expect(await register(usedUp)).toMatchObject({ status: 401, code: 'enrolment_token_invalid' });

    const { token, id } = await operator().tokens.create({ locationId: 'de-frankfurt', hours: 1 });
    expect(await operator().tokens.revoke(id)).toBe(true);
    expect(await register(token)).toMatchObject({ status: 401, code: 'enrolment_token_invalid' });

    const expiring = await operator().tokens.create({ locationId: 'de-frankfurt', hours: 1, uses: 2 });
    clock.advance(60 * minute - 1_000);
    expect((await register(expiring.token)).status).toBe(201);
    clock.advance(1_000);
    expect(await register(expiring.token)).toMatchObject({ status: 401, code: 'enrolment_token_invalid' });
  });

  it('refuses another location than that of the token', async () => {
    const token = await enrolmentToken(service);
    expect(await register(token, { location_id: 'fi-helsinki' })).toMatchObject({
      status: 403,
      code: 'location_mismatch',
    });
    expect(await usesLeft(token)).toBe(1);
  });

  it('refuses a key that is registered already, and does not use the token up', async () => {
    const node = await enrolNode(service);
    const token = await enrolmentToken(service);
    expect(await again(node, token)).toMatchObject({ status: 409, code: 'node_exists' });
    expect(await usesLeft(token)).toBe(1);
    expect(await inPulse(node, node.credential)).toBe(200);
  });
});

describe('RegistrationService: racing registrations', () => {
  it('admit exactly as many nodes as the token has uses', async () => {
    for (const uses of [1, 7]) {
      const token = await enrolmentToken(service, uses);
      const before = await countNodes();
      const answers = await Promise.all(Array.from({ length: 40 }, () => register(token)));
      expect(answers.filter(({ status }) => status === 201)).toHaveLength(uses);
      expect(answers.filter(({ code }) => code === 'enrolment_token_invalid')).toHaveLength(40 - uses);
      expect((await countNodes()) - before).toBe(uses);
      expect(await usesLeft(token)).toBe(0);
    }
  });

  it('with one key and one token create one node and count one use', async () => {
    const token = await enrolmentToken(service, 20);
    const public_key = wireguardKey();
    const answers = await Promise.all(Array.from({ length: 20 }, () => register(token, { public_key })));
    expect(answers.map(({ status }) => status)).toEqual(Array<number>(20).fill(201));
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(await usesLeft(token)).toBe(19);
  });

  it('with one key and many tokens create one node and count one use', async () => {
    const tokens = await Promise.all(Array.from({ length: 20 }, () => enrolmentToken(service)));
    const public_key = wireguardKey();
    const answers = await Promise.all(tokens.map((token) => register(token, { public_key })));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ code }) => code === 'node_exists')).toHaveLength(19);
    const left = await Promise.all(tokens.map(usesLeft));
    expect(left.filter((uses) => uses === 0)).toHaveLength(1);
  });
});

describe('RegistrationService: repeating an enrolment with the same token', () => {
  it('returns a new credential within 10 minutes, and does not count a use', async () => {
    const token = await enrolmentToken(service, 2);
    const public_key = wireguardKey();
    const first = await register(token, { public_key });
    clock.advance(10 * minute - 1_000);
    const second = await register(token, { public_key });
    expect(second).toMatchObject({ status: 201, id: first.id });
    expect(second.credential).not.toBe(first.credential);
    expect(await usesLeft(token)).toBe(1);
    const node = { id: first.id ?? '', publicKey: public_key, credential: second.credential ?? '' };
    expect(await inPulse(node, second.credential ?? '')).toBe(200);
    expect(await inPulse(node, first.credential ?? '')).toBe(401);
  });

  it('works with a token that the first request has used up, also after the purge', async () => {
    const token = await enrolmentToken(service);
    const public_key = wireguardKey();
    await register(token, { public_key });
    clock.advance(9 * minute);
    await runMaintenanceJob(service.app.get(NetworkMaintenance), 'enrolment-token-purge');
    expect((await register(token, { public_key })).status).toBe(201);
    clock.advance(2 * minute);
    await runMaintenanceJob(service.app.get(NetworkMaintenance), 'enrolment-token-purge');
    expect(await usesLeft(token)).toBeUndefined();
  });

  it('leaves tokens with uses left untouched by the purge', async () => {
    const [unused, half] = [await enrolmentToken(service), await enrolmentToken(service, 2)];
    await register(half);
    clock.advance(11 * minute);
    await runMaintenanceJob(service.app.get(NetworkMaintenance), 'enrolment-token-purge');
    expect([await usesLeft(unused), await usesLeft(half)]).toEqual([1, 1]);
  });

  it('is refused after 10 minutes', async () => {
    const token = await enrolmentToken(service, 2);
    const public_key = wireguardKey();
    await register(token, { public_key });
    clock.advance(10 * minute);
    expect(await register(token, { public_key })).toMatchObject({ status: 409, code: 'node_exists' });
    expect(await usesLeft(token)).toBe(1);
  });

  it('changes only the credential, and is refused for a revoked token', async () => {
    const { token, id } = await operator().tokens.create({ locationId: 'de-frankfurt' });
    const public_key = wireguardKey();
    const first = await register(token, { public_key });
    expect((await register(token, { public_key, ip: '127.0.0.9', port: 1 })).status).toBe(201);
    expect(await nodeRow(first.id ?? '')).toMatchObject({ host: '127.0.0.1', port: 51820 });
    expect(await register(token, { public_key, location_id: 'fi-helsinki' })).toMatchObject({
      code: 'location_mismatch',
    });
    await operator().tokens.revoke(id);
    expect(await register(token, { public_key })).toMatchObject({ status: 401, code: 'enrolment_token_invalid' });
  });

  it('is refused for a retired node', async () => {
    const token = await enrolmentToken(service, 2);
    const public_key = wireguardKey();
    const { id = '' } = await register(token, { public_key });
    await operator().fleet.retire(id);
    expect(await register(token, { public_key })).toMatchObject({ status: 403, code: 'node_retired' });
    // With another token and the key, which is public, a caller does not learn that the node is retired.
    const otherToken = await enrolmentToken(service);
    expect(await register(otherToken, { public_key })).toMatchObject({ status: 409, code: 'node_exists' });
  });
});

describe('RegistrationService: updating a node with its own credential', () => {
  it('replaces the node’s properties, and rotates the credential', async () => {
    const node = await enrolNode(service, { ip_v6: '2001:db8::7', capacity: 9 });
    const answer = await again(node, node.credential, { ip: '127.0.0.2', port: 1234, agent_version: '1.4.0-rc.1' });
    expect(answer).toMatchObject({ status: 201, id: node.id, interface: { listen_port: 1234 } });
    expect(await nodeRow(node.id)).toMatchObject({
      host: '127.0.0.2',
      ip_v6: null,
      port: 1234,
      capacity: 1_000,
      agent_version: '1.4.0-rc.1',
      status: 'healthy',
    });
  });

  it('accepts the old credential until the new one is first used', async () => {
    const node = await enrolNode(service);
    const { credential: next = '' } = await again(node, node.credential);
    expect(await inPulse(node, node.credential)).toBe(200);
    expect(await inPulse(node, next)).toBe(200);
    expect(await inPulse(node, node.credential)).toBe(401);
    expect(await inPulse(node, next)).toBe(200);
  });

  it('can be repeated with the old credential after lost responses; only the last new credential is valid', async () => {
    const node = await enrolNode(service);
    const { credential: lost = '' } = await again(node, node.credential);
    const { credential: next = '' } = await again(node, node.credential);
    expect(await inPulse(node, lost)).toBe(401);
    expect((await again(node, next)).status).toBe(201);
    expect(await inPulse(node, node.credential)).toBe(401);
    expect(await inPulse(node, next)).toBe(200);
  });

  it('accepts all of many racing first uses of the new credential', async () => {
    const node = await enrolNode(service);
    const { credential: next = '' } = await again(node, node.credential);
    const answers = await Promise.all(Array.from({ length: 20 }, () => inPulse(node, next)));
    expect(answers).toEqual(Array<number>(20).fill(200));
    expect(await inPulse(node, node.credential)).toBe(401);
  });

  it('cannot change the location', async () => {
    const node = await enrolNode(service);
    expect(await again(node, node.credential, { location_id: 'fi-helsinki' })).toMatchObject({
      status: 403,
      code: 'location_mismatch',
    });
    expect(await nodeRow(node.id)).toMatchObject({ location_id: 'de-frankfurt' });
  });

  it('does not give access to another node, neither with its key nor with a new key', async () => {
    const [mine, other] = [await enrolNode(service), await enrolNode(service)];
    for (const public_key of [other.publicKey, wireguardKey()]) {
      expect(await register(mine.credential, { public_key, ip: '127.0.0.66' })).toMatchObject({
        status: 401,
        code: 'enrolment_token_invalid',
      });
    }
    expect(await nodeRow(other.id)).toMatchObject({ host: '127.0.0.1' });
  });

  it('makes an unhealthy node healthy, and does not change a draining one', async () => {
    const node = await enrolNode(service);
    await query(stack.ownerUrl, `UPDATE network."Node" SET status = 'unhealthy' WHERE id = $1`, [node.id]);
    const { credential = '' } = await again(node, node.credential);
    expect(await nodeRow(node.id)).toMatchObject({ status: 'healthy' });
    await operator().fleet.drain(node.id);
    await again(node, credential);
    expect(await nodeRow(node.id)).toMatchObject({ status: 'draining' });
  });

  it('is refused for a retired node', async () => {
    const node = await enrolNode(service);
    await operator().fleet.retire(node.id);
    expect(await again(node, node.credential)).toMatchObject({ status: 403, code: 'node_retired' });
    expect(await nodeRow(node.id)).toMatchObject({ status: 'retired' });
  });
});
