import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anonymizerEnv, gatekeeperEnv, startTestApp, type TestApp } from '../support/app.js';
import { postJson, wireguardKey } from '../support/fleet.js';
import { HoldingProxy } from '../support/holding-proxy.js';
import { createTestStack, type TestStack } from '../support/stack.js';
import { postgres } from '../support/wire-protocols.js';

/** A network that swallows everything: no refusal, no reset, no answer. */
let stack: TestStack;
let proxy: HoldingProxy;
let service: TestApp;

beforeAll(async () => {
  stack = await createTestStack();
  proxy = await HoldingProxy.start([Number(new URL(stack.ownerUrl).port)], postgres);
  service = await startTestApp({
    ...gatekeeperEnv(stack),
    ...anonymizerEnv({ ...stack, networkUrl: proxy.through(stack.networkUrl) }),
    REQUEST_TIMEOUT_S: '3',
  });
});

afterAll(async () => {
  await proxy.stop();
  await service.stop();
  await stack.stop();
});

const register = () =>
  postJson(`${service.url}/node/register`, { public_key: wireguardKey(), ip: '192.0.2.1', location_id: 'x' }, 'nobody');

describe('a database that does not even refuse', () => {
  it('is called unavailable, never a fault of the service', async () => {
    expect((await register()).status).toBe(401);
    proxy.freeze();
    const answers = await Promise.all(Array.from({ length: 20 }, register));
    const codes = await Promise.all(answers.map(async (answer) => ((await answer.json()) as { code: string }).code));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
    // Those that wait for an answer, and those that wait for a connection.
    expect(['request_timeout', 'unavailable']).toEqual(expect.arrayContaining([...new Set(codes)]));
  });
});
