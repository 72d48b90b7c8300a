import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentNode, startAnonymizer, type TestAnonymizer } from '../../test/support/anonymizer.js';
import { wireguardKey } from '../../test/support/fleet.js';

let anonymizer: TestAnonymizer;
let node: AgentNode;

beforeAll(async () => {
  anonymizer = await startAnonymizer();
  node = await anonymizer.addNode();
});

afterAll(() => anonymizer.stop());

describe('a good token', () => {
  it('becomes a connection that its node has, that shows its status, and that ends', async () => {
    const publicKey = wireguardKey();
    const answer = await anonymizer.redeem({
      ...(await anonymizer.mint()),
      location: 'de-frankfurt',
      public_key: publicKey,
    });
    expect(answer).toMatchObject({ status: 200, server_public_key: node.publicKey, public_key: publicKey });
    expect(await node.driver.list()).toContainEqual({
      publicKey,
      presharedKey: answer.preshared_key,
      allowedIps: answer.addresses,
    });
    const secret = answer.connection_secret ?? '';
    expect(await anonymizer.status(secret)).toMatchObject({ http: 200, status: 'active', location: 'de-frankfurt' });
    expect(await anonymizer.disconnect(secret)).toBe(204);
    await expect.poll(() => node.driver.list()).toEqual([]);
  });
});
