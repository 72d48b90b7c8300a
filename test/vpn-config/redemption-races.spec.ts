import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentNode, type Answer, race, startAnonymizer, type TestAnonymizer } from '../support/anonymizer.js';
import { type TestApp } from '../support/app.js';
import { wireguardKey } from '../support/fleet.js';

let anonymizer: TestAnonymizer;
let node: AgentNode;
/** Two replicas on the same stores. */
let both: readonly TestApp[];

beforeAll(async () => {
  anonymizer = await startAnonymizer();
  node = await anonymizer.addNode();
  both = [anonymizer.service, await anonymizer.addReplica()];
});

afterAll(() => anonymizer.stop());

const times = <T>(count: number, make: (n: number) => T) => Array.from({ length: count }, (_, n) => make(n));

const granted = (answers: readonly Answer[]) => answers.filter(({ status }) => status === 200);
const codes = (answers: readonly Answer[]) => new Set(answers.map(({ status, code }) => `${status} ${code ?? 'ok'}`));
const identities = (answers: readonly Answer[]) =>
  new Set(
    answers.map((answer) => JSON.stringify([answer.connection_id, answer.connection_secret, answer.wireguard_conf])),
  );

async function connectionsOf(...answers: readonly Answer[]): Promise<number> {
  const ids = new Set(answers.map(({ connection_id }) => connection_id));
  return (await anonymizer.rows()).filter(({ id }) => ids.has(id)).length;
}

describe('RedemptionService with one token, a hundred times at once', () => {
  it('makes one connection for one client, and returns it identically each time', async () => {
    const request = await anonymizer.request();
    const before = (await anonymizer.rows()).length;
    const answers = await race(
      both,
      times(100, () => request),
    );
    expect(codes(answers)).toEqual(new Set(['200 ok']));
    expect(identities(answers).size).toBe(1);
    expect(await anonymizer.rows()).toHaveLength(before + 1);
    expect((await node.driver.list()).filter(({ publicKey }) => publicKey === request.public_key)).toHaveLength(1);
  });

  it('serves one of a hundred clients, refuses the others, and installs only its peer', async () => {
    const request = await anonymizer.request();
    const before = (await anonymizer.rows()).length;
    const answers = await race(
      both,
      times(100, () => ({ ...request, public_key: wireguardKey() })),
    );
    expect(granted(answers)).toHaveLength(1);
    expect(codes(answers)).toEqual(new Set(['200 ok', '409 token_reused']));
    expect(await anonymizer.rows()).toHaveLength(before + 1);
    const peers = (await node.driver.list()).map(({ publicKey }) => publicKey);
    expect(peers.filter((key) => answers.some(({ public_key }) => public_key === key))).toHaveLength(1);
  });

  it('serves one of a hundred clients that send no key', async () => {
    const { token, signature, location } = await anonymizer.request();
    const answers = await race(
      both,
      times(100, () => ({ token, signature, location })),
    );
    expect(granted(answers)).toHaveLength(1);
    expect(codes(answers)).toEqual(new Set(['200 ok', '409 token_reused']));
    expect(await connectionsOf(...granted(answers))).toBe(1);
  });

  it('serves one client even while Redis loses all data again and again', async () => {
    const request = await anonymizer.request();
    let racing = true;
    const flushing = (async () => {
      while (racing) await anonymizer.redis.flushall();
    })();
    const answers = await race(
      both,
      times(100, () => ({ ...request, public_key: wireguardKey() })),
    );
    racing = false;
    await flushing;
    expect(granted(answers)).toHaveLength(1);
    expect(codes(answers)).toEqual(new Set(['200 ok', '409 token_reused']));
  });
});

describe('RedemptionService with twenty tokens and one key at once', () => {
  it('serves one token, refuses the others with public_key_in_use, and leaves them unspent', async () => {
    const public_key = wireguardKey();
    const requests = await Promise.all(times(20, async () => ({ ...(await anonymizer.request()), public_key })));
    const answers = await race(both, requests);
    expect(granted(answers)).toHaveLength(1);
    expect(codes(answers)).toEqual(new Set(['200 ok', '409 public_key_in_use']));
    const rest = requests.filter((_, n) => answers[n]?.status === 409);
    const later = await race(
      both,
      rest.map((request) => ({ ...request, public_key: wireguardKey() })),
    );
    expect(codes(later)).toEqual(new Set(['200 ok']));
  });
});

describe('RedemptionService with a few clients and tokens, at once and in any order', () => {
  it('serves at most one key per token, and at most one token per key', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ token: fc.nat(2), key: fc.nat(2) }), { minLength: 2, maxLength: 16 }),
        async (attempts) => {
          const tokens = await Promise.all(times(3, () => anonymizer.mint()));
          const keys = times(3, wireguardKey);
          const bodies = attempts.map(({ token, key }) => ({
            ...tokens[token],
            public_key: keys[key],
            location: 'de-frankfurt',
          }));
          const answers = await race(both, bodies);
          expect([...codes(answers)].filter((code) => !/^200|token_reused|public_key_in_use/.test(code))).toEqual([]);
          const pairs = new Set(
            answers.flatMap(({ status }, n) => (status === 200 ? [`${attempts[n]?.token}/${attempts[n]?.key}`] : [])),
          );
          const half = (part: number) => [...pairs].map((pair) => pair.split('/')[part]);
          expect(new Set(half(0)).size).toBe(pairs.size);
          expect(new Set(half(1)).size).toBe(pairs.size);
          expect(identities(granted(answers)).size).toBe(pairs.size);
          expect(pairs.size).toBeGreaterThan(0);
        },
      ),
      { numRuns: 20 },
    );
  });
});
