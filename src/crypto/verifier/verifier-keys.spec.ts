import { generateKeyPairSync, type KeyObject, randomBytes, constants, sign } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { anonymizerEnv } from '../../../test/support/app.js';
import { createCryptoSides, type CryptoSides } from '../../../test/support/crypto-sides.js';
import { createTestStack, query, type TestStack } from '../../../test/support/stack.js';
import { TestClock } from '../../../test/support/test-clock.js';
import { type DirectoryKey, renderDirectory } from '../directory.js';
import { epochOf, epochTimes } from '../epoch.js';
import { serviceChallenge } from '../token-challenge.js';
import { encodeTokenKey, keyIdOf } from '../token-key.js';

/** A gatekeeper with only a directory; the test sets its response. */
class FakeIssuer {
  keys: DirectoryKey[] = [];
  /** The response to send instead of the keys. */
  instead: string | undefined;
  readonly readAt: number[] = [];
  url = '';
  private readonly server: Server = createServer((_request, response) => {
    this.readAt.push(performance.now());
    if (this.instead === 'down') response.destroy();
    else response.end(this.instead ?? renderDirectory(this.keys, challenge, clock.now()));
  });

  get reads(): number {
    return this.readAt.length;
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/`;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

const challenge = serviceChallenge({ issuerName: 'issuer.example', originInfo: 'vpn.example' });
const noon = new Date('2030-06-10T12:00:00Z');
const today = epochOf(noon);
const secrets = new Map<string, KeyObject>();

let stack: TestStack;
let clock: TestClock;
let issuer: FakeIssuer;
const replicas: CryptoSides[] = [];

beforeAll(async () => {
  stack = await createTestStack();
});

beforeEach(async () => {
  await query(stack.networkUrl, 'DELETE FROM network."VerifierKey"');
  clock = new TestClock(noon);
  issuer = new FakeIssuer();
  await issuer.start();
});

afterEach(async () => {
  for (const replica of replicas.splice(0)) await replica.stop();
  issuer.stop();
});

afterAll(() => stack.stop());

async function replica(): Promise<CryptoSides> {
  const created = await createCryptoSides(
    { SERVICE_ROLE: 'anonymizer', ...anonymizerEnv(stack), ISSUER_DIRECTORY_URL: issuer.url },
    clock,
  );
  replicas.push(created);
  return created;
}

function newKey(epoch = today): DirectoryKey {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const spki = encodeTokenKey(pair.publicKey);
  const { notBefore, signUntil, verifyUntil } = epochTimes(epoch);
  secrets.set(keyIdOf(spki).toString('hex'), pair.privateKey);
  return { keyId: keyIdOf(spki), spki, notBefore, signUntil, verifyUntil, retired: false };
}

const statusOf = async ({ verifier }: CryptoSides, { keyId }: DirectoryKey) => (await verifier.find(keyId)).status;

describe('VerifierKeysService', () => {
  it('reads keys from the issuer, which verify its signatures', async () => {
    const key = newKey();
    issuer.keys = [key];
    const service = await replica();
    await service.verifier.poll();
    const answer = await service.verifier.find(key.keyId);
    if (answer.status !== 'known') throw new Error(answer.status);
    const token = randomBytes(98);
    const options = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 };
    const signature = sign('sha384', token, {
      key: secrets.get(key.keyId.toString('hex')) as KeyObject,
      ...options,
    });
    expect(answer.key.verifies(token, signature)).toBe(true);
    expect(answer.key.verifies(randomBytes(98), signature)).toBe(false);
    expect(answer.key.verifyUntil).toEqual(key.verifyUntil);
  });

  it('still has its keys after a restart without the issuer', async () => {
    const key = newKey();
    issuer.keys = [key];
    await (await replica()).verifier.poll();
    issuer.instead = 'down';
    const restarted = await replica();
    await restarted.start();
    expect(await statusOf(restarted, key)).toBe('known');
    expect(await restarted.verifier.find(randomBytes(32))).toEqual({ status: 'unknown', stale: true });
  });

  it('expires a key when its tokens expire, not before', async () => {
    const key = newKey();
    issuer.keys = [key];
    const service = await replica();
    await service.verifier.poll();
    clock.set(new Date(key.verifyUntil.getTime() - 1));
    expect(await statusOf(service, key)).toBe('known');
    clock.set(key.verifyUntil);
    expect(await statusOf(service, key)).toBe('expired');
  });

  it('polls the directory for an unknown key, so that a replacement is known at its first token', async () => {
    issuer.keys = [newKey()];
    const service = await replica();
    await service.verifier.poll();
    const replacement = newKey();
    issuer.keys.push(replacement);
    expect(await statusOf(service, replacement)).toBe('known');
  });

  it('polls at most once a second, however many unknown keys are requested', async () => {
    issuer.keys = [newKey()];
    const service = await replica();
    await service.verifier.poll();
    const ask = () => Promise.all(Array.from({ length: 100 }, () => service.verifier.find(randomBytes(32))));
    expect(new Set((await ask()).map((answer) => JSON.stringify(answer)))).toEqual(
      new Set(['{"status":"unknown","stale":false}']),
    );
    expect(issuer.reads).toBe(2);
    await ask();
    expect(issuer.reads).toBe(3);
    const [, second = 0, third = 0] = issuer.readAt;
    // Timers may be a few milliseconds early.
    expect(third - second).toBeGreaterThan(900);
  });

  it('finds a new key at its first token, even just after a poll for another key', async () => {
    issuer.keys = [newKey()];
    const service = await replica();
    await service.verifier.poll();
    expect(await service.verifier.find(randomBytes(32))).toEqual({ status: 'unknown', stale: false });
    const replacement = newKey();
    issuer.keys.push(replacement);
    expect(await statusOf(service, replacement)).toBe('known');
  });

  it('reports an unknown key as stale while the issuer is down', async () => {
    issuer.keys = [newKey()];
    const service = await replica();
    await service.verifier.poll();
    issuer.instead = 'down';
    expect(await service.verifier.find(randomBytes(32))).toEqual({ status: 'unknown', stale: true });
  });

  it('keeps its keys despite any broken response', async () => {
    const keys = [newKey(), newKey(today + 1)];
    issuer.keys = keys;
    const service = await replica();
    await service.verifier.poll();
    const whole = renderDirectory(keys, challenge, clock.now());
    const one = renderDirectory(keys.slice(1), challenge, clock.now());
    for (const answer of [
      'down',
      '',
      '{}',
      '{"token-keys":[]}',
      whole.slice(0, -9),
      whole.replace('"token-type":2', '"token-type":"2"'),
    ]) {
      issuer.instead = answer;
      await expect(service.verifier.poll(), answer).rejects.toThrow();
    }
    // Well-formed, but without a key: a cached copy, or an issuer restored from a backup.
    issuer.instead = one;
    await service.verifier.poll();
    expect(await Promise.all(keys.map((key) => statusOf(service, key)))).toEqual(['known', 'known']);
  });

  it('never changes the times of a key, because a later expiry would let spent tokens be spent again', async () => {
    const key = newKey();
    issuer.keys = [key];
    const service = await replica();
    await service.verifier.poll();
    const later = (date: Date) => new Date(date.getTime() + 3_600_000);
    const moved = {
      notBefore: later(key.notBefore),
      signUntil: later(key.signUntil),
      verifyUntil: later(key.verifyUntil),
    };
    issuer.keys = [{ ...key, ...moved }];
    await service.verifier.poll();
    expect(service.verifier.directoryKeys()).toEqual([key]);
    issuer.keys = [newKey(), { ...key, ...moved, retired: true }];
    await service.verifier.poll();
    expect(service.verifier.directoryKeys()).toContainEqual({ ...key, retired: true });
  });

  it('does not store a key that has expired', async () => {
    const old = newKey(today - 3);
    issuer.instead = renderDirectory([newKey(), old], challenge, old.notBefore);
    const service = await replica();
    await service.verifier.poll();
    expect(await statusOf(service, old)).toBe('unknown');
    expect(service.verifier.directoryKeys()).toHaveLength(1);
  });

  it('purges a key two days after its expiry, by both clocks', async () => {
    const service = await replica();
    clock.set('2020-06-10T12:00:00Z');
    const old = newKey(epochOf(clock.now()));
    issuer.keys = [old];
    await service.verifier.poll();
    const count = async () => {
      await service.networkMaintenance.runOnce('verifier-keys');
      await service.verifier.refresh();
      return service.verifier.directoryKeys().length;
    };
    clock.set(new Date(old.verifyUntil.getTime() + 48 * 3_600_000));
    expect(await count()).toBe(1);
    clock.advance(1_000);
    expect(await count()).toBe(0);
    clock.set(noon);
    issuer.keys = [newKey()];
    await service.verifier.poll();
    clock.set('2050-01-01T00:00:00Z');
    expect(await count()).toBe(1);
  });

  it('keeps a key while the tombstone of a spent token depends on it', async () => {
    const service = await replica();
    clock.set('2020-06-10T12:00:00Z');
    const old = newKey(epochOf(clock.now()));
    issuer.keys = [old];
    await service.verifier.poll();
    const tombstone = `INSERT INTO network."Connection" (id, key_id, status) VALUES (gen_random_uuid(), $1, 'ended')`;
    await query(stack.networkUrl, tombstone, [old.keyId]);
    const left = async () => {
      await service.networkMaintenance.runOnce('verifier-keys');
      return query(stack.networkUrl, 'SELECT 1 FROM network."VerifierKey"');
    };
    clock.set(noon);
    expect(await left()).toHaveLength(1);
    await query(stack.networkUrl, 'DELETE FROM network."Connection"');
    expect(await left()).toHaveLength(0);
  });
});

describe('VerifierKeysService with denied keys', () => {
  it('permanently denies a key that the issuer lists as retired', async () => {
    const key = newKey();
    issuer.keys = [key];
    const service = await replica();
    await service.verifier.poll();
    issuer.keys = [newKey(), { ...key, retired: true }];
    await service.verifier.poll();
    expect(await statusOf(service, key)).toBe('denied');
    issuer.keys = [key];
    await service.verifier.poll();
    expect(await statusOf(service, key)).toBe('denied');
  });

  it('denies a key that was retired before it was first read', async () => {
    const key = { ...newKey(), retired: true };
    issuer.keys = [newKey(), key];
    const service = await replica();
    expect(await statusOf(service, key)).toBe('denied');
  });

  it('denies a key on behalf of the operator, whatever the issuer lists, on every replica within a second', async () => {
    const key = newKey();
    issuer.keys = [key];
    const [one, other] = [await replica(), await replica()];
    await one.verifier.poll();
    await other.start();
    expect(await statusOf(other, key)).toBe('known');
    expect(await one.verifier.deny(key.keyId)).toBe(true);
    expect(await statusOf(one, key)).toBe('denied');
    await expect.poll(() => statusOf(other, key)).toBe('denied');
    await one.verifier.poll();
    expect(await statusOf(one, key)).toBe('denied');
  });

  it('returns false when the operator denies an unknown key', async () => {
    issuer.keys = [newKey()];
    const service = await replica();
    await service.verifier.poll();
    expect(await service.verifier.deny(randomBytes(32))).toBe(false);
  });
});
