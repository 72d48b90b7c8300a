import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anonymizerEnv, gatekeeperEnv, startTestApp, type TestApp } from '../support/app.js';
import { postJson, wireguardKey } from '../support/fleet.js';
import { HoldingProxy } from '../support/holding-proxy.js';
import { createTestStack, type TestStack } from '../support/stack.js';
import { postgres } from '../support/wire-protocols.js';

/* The network to the database drops everything: the service gets no refusal, no reset and no answer. */
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
  postJson(
    `${service.url}/node/register`,
    { public_key: wireguardKey(), ip: '192.0.2.1', location_id: 'x' },
    'unknown',
  );

describe('a database that does not answer', () => {
  it('causes answers 503, never 500', async () => {
    expect((await register()).status).toBe(401);
    proxy.freeze();
    const answers = await Promise.all(Array.from({ length: 20 }, register));
    const codes = await Promise.all(answers.map(async (answer) => ((await answer.json()) as { code: string }).code));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
    // Some requests wait for an answer of the database, others for a connection of the pool.
    expect(['request_timeout', 'unavailable']).toEqual(expect.arrayContaining([...new Set(codes)]));
  });
});
