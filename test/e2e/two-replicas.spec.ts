import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentNode, followAs, startAnonymizer, type TestAnonymizer } from '../support/anonymizer.js';
import { type TestApp } from '../support/app.js';
import { enrolNode } from '../support/fleet.js';

/* A load balancer may connect a node to one replica, and send redemptions to another. */
let anonymizer: TestAnonymizer;
let replica: TestApp;
let node: AgentNode;
beforeAll(async () => {
  anonymizer = await startAnonymizer();
  replica = await anonymizer.addReplica();
  node = await followAs(await enrolNode(anonymizer.service), replica.url);
  await anonymizer.refresh();
});
afterAll(async () => {
  await node.agent.stop();
  await anonymizer.stop();
});

async function redeem(): Promise<void> {
  const request = await anonymizer.request();
  const answer = await anonymizer.connect(request);
  expect(answer).toMatchObject({ status: 200, public_key: request.public_key });
  const peers = await node.driver.list();
  expect(peers.map(({ publicKey }) => publicKey)).toContain(request.public_key);
  expect(await anonymizer.disconnect(answer.connection_secret ?? '')).toBe(204);
  await expect
    .poll(async () => (await node.driver.list()).map(({ publicKey }) => publicKey))
    .not.toContain(request.public_key);
}

describe('a redemption at one replica', () => {
  it('reaches a node that follows another replica', redeem);

  it('reaches that node while Redis is down', async () => {
    await anonymizer.stack.killRedis();
    try {
      await redeem();
    } finally {
      await anonymizer.stack.restartRedis();
    }
  });
});
