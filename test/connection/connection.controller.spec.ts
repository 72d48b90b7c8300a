import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type TestApp } from '../support/app.js';
import { enrolNode, postJson, type TestNode } from '../support/fleet.js';
import { placeAt, placementOf, startFirstReplica } from '../support/peers.js';
import { createTestStack, query, type TestStack } from '../support/stack.js';
import { TestClock } from '../support/test-clock.js';
import { holdMaintenanceJob } from '../support/maintenance.js';
import { type LiveConnection } from '../../src/connection/connection.js';
import { secretHashOf } from '../../src/connection/connection-secrets.service.js';

const clock = new TestClock();
let stack: TestStack;
let service: TestApp;
let node: TestNode;
beforeAll(async () => {
  stack = await createTestStack();
  service = await startFirstReplica(stack, clock);
  node = await enrolNode(service);
});
afterAll(async () => {
  await service.stop();
  await stack.stop();
});

const request = (method: string, authorization?: string) =>
  fetch(`${service.url}/vpn/connection`, { method, headers: authorization === undefined ? {} : { authorization } });
const get = (secret: string) => request('GET', `Bearer ${secret}`);
const end = (secret: string) => request('DELETE', `Bearer ${secret}`);
const acknowledge = (body: object) => postJson(`${service.url}/node/${node.id}/acks`, body, node.credential);
const problem = async (response: Response) => ({ status: response.status, ...((await response.json()) as object) });

async function connect(): Promise<LiveConnection & { secret: string }> {
  const secret = randomBytes(32).toString('base64url');
  return { ...(await placeAt(service, node.id, { secretHash: secretHashOf(secret) })), secret };
}

describe('ConnectionController with the connection secret', () => {
  it('shows the status of the connection from start to end, and ends it', async () => {
    const connection = await connect();
    const { id, secret } = connection;
    const view = (status: string) => ({
      connection_id: id,
      status,
      location: 'de-frankfurt',
      expires_at: '2030-01-02T12:00:00.000Z',
    });
    const response = await get(secret);
    expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'no-store']);
    expect(await response.json()).toEqual(view('pending'));
    await acknowledge({ added: [placementOf(connection)] });
    expect(await (await get(secret)).json()).toEqual(view('active'));
    const ended = await end(secret);
    expect([ended.status, await ended.text()]).toEqual([204, '']);
    expect(await (await get(secret)).json()).toEqual(view('ending'));
    expect((await end(secret)).status).toBe(204);
    await acknowledge({ removed: [placementOf(connection)] });
    expect(await problem(await get(secret))).toMatchObject({ status: 404, code: 'connection_not_found' });
    expect(await problem(await end(secret))).toMatchObject({ status: 404, code: 'connection_not_found' });
  });

  it('answers 404 once the connection has expired, even before the expiry job has run', async () => {
    const { secret, id } = await connect();
    const expiryJob = await holdMaintenanceJob(stack.ownerUrl, 'network', 'connection-expiry');
    onTestFinished(() => expiryJob.release());
    clock.set('2030-01-02T12:00:00Z');
    expect([(await get(secret)).status, (await end(secret)).status]).toEqual([404, 404]);
    const [row] = await query<{ status: string }>(
      stack.ownerUrl,
      'SELECT status FROM network."Connection" WHERE id = $1',
      [id],
    );
    expect(row?.status).toBe('pending');
    clock.set('2030-01-01T12:00:00Z');
  });

  it('shows the location of a node that is not in this process’s snapshot yet', async () => {
    node = await enrolNode(service);
    const { secret } = await connect();
    expect(await (await get(secret)).json()).toMatchObject({ location: 'de-frankfurt' });
  });
});

describe.each(['GET', 'DELETE'])('%s /vpn/connection', (method) => {
  it.each([undefined, '', 'Bearer', 'Bearer a b', 'Basic YTpi', 'Bearer "quoted"'])(
    'answers 401 for the Authorization header %j',
    async (authorization) => {
      const response = await request(method, authorization);
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(await problem(response)).toMatchObject({ status: 401, code: 'connection_secret_missing' });
    },
  );

  it.each(['x', randomBytes(32).toString('base64url'), 'a'.repeat(5_000)])(
    'answers 404 for the unknown secret %s, and changes no connection',
    async (secret) => {
      const connection = await connect();
      const response = await request(method, `Bearer ${secret}`);
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(await problem(response)).toMatchObject({ status: 404, code: 'connection_not_found' });
      expect(await (await get(connection.secret)).json()).toMatchObject({ status: 'pending' });
    },
  );

  it('accepts neither the id of a connection nor the stored hash of its secret', async () => {
    const { id, secret } = await connect();
    for (const guess of [id, secretHashOf(secret).toString('base64url'), secretHashOf(secret).toString('hex')]) {
      expect((await request(method, `Bearer ${guess}`)).status).toBe(404);
    }
  });
});
