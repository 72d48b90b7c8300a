import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { gatekeeperEnv } from '../../../test/support/app.js';
import { createCryptoSides, type CryptoSides } from '../../../test/support/crypto-sides.js';
import { createTestStack, query, type TestStack } from '../../../test/support/stack.js';
import { TestClock } from '../../../test/support/test-clock.js';
import { epochOf, epochTimes } from '../epoch.js';
import { encodeTokenKey, keyIdOf, truncatedKeyId } from '../token-key.js';
import { makeIssuerKey } from './issuer-key.js';
import { IssuerKeysStore, type KeyMaker } from './issuer-keys.store.js';

let stack: TestStack;
let clock: TestClock;
let replicas: CryptoSides[] = [];

beforeAll(async () => {
  stack = await createTestStack();
});

beforeEach(async () => {
  await query(stack.identityUrl, 'DELETE FROM identity."IssuerKey"');
  clock = new TestClock('2030-06-10T12:00:00Z');
});

afterEach(async () => {
  for (const replica of replicas.splice(0)) await replica.stop();
});

afterAll(() => stack.stop());

async function replica(env: Record<string, string> = {}): Promise<CryptoSides> {
  const created = await createCryptoSides({ SERVICE_ROLE: 'gatekeeper', ...gatekeeperEnv(stack), ...env }, clock);
  replicas.push(created);
  return created;
}

interface Row {
  [column: string]: unknown;
  key_id: Buffer;
  sealed: Buffer | null;
  sign_from: Date;
  retired_at: Date | null;
}

const rows = () =>
  query<Row>(
    stack.identityUrl,
    'SELECT key_id, encrypted_private_key AS sealed, sign_from, retired_at FROM identity."IssuerKey" ORDER BY sign_from',
  );

describe('IssuerKeysService', () => {
  it('creates the keys of today and tomorrow on a new database', async () => {
    const { issuer } = await replica();
    await issuer.ensureKeys();
    const today = epochOf(clock.now());
    expect((await rows()).map((row) => row.sign_from)).toEqual([
      epochTimes(today).signFrom,
      epochTimes(today + 1).signFrom,
    ]);
    expect(issuer.signingKey().epoch).toBe(today);
    expect(issuer.directoryKeys()).toHaveLength(2);
  });

  it('creates each key once, even when many replicas find it missing at the same time', async () => {
    replicas = await Promise.all(Array.from({ length: 8 }, () => replica()));
    await Promise.all(replicas.map(({ issuer }) => issuer.ensureKeys()));
    expect(await rows()).toHaveLength(2);
    const chosen = new Set(replicas.map(({ issuer }) => issuer.signingKey().keyId.toString('hex')));
    expect(chosen.size).toBe(1);
  }, 60_000);

  it('creates keys whose truncated ids differ from those of all live keys, including keys created together', async () => {
    const store = (await replica()).app.get(IssuerKeysStore, { strict: false });
    const today = epochOf(clock.now());
    const taken: number[][] = [];
    const make: KeyMaker = async (those) => {
      taken.push([...those].sort());
      const { keyId, spki } = await makeIssuerKey(those);
      return { keyId, spki, encryptedPrivateKey: randomBytes(32) };
    };
    await store.createMissing([today, today + 1], clock.now(), make);
    await store.createMissing([today + 2], clock.now(), make);
    const [first, second] = (await rows()).map(({ key_id }) => truncatedKeyId(key_id));
    expect(taken).toEqual([[], [first], [first, second].sort()]);
  });

  it('signs identically on every replica, with a signature that the public key verifies', async () => {
    const [one, other] = [await replica(), await replica()];
    await one.issuer.ensureKeys();
    await other.issuer.ensureKeys();
    const message = Buffer.concat([Buffer.of(0x01), randomBytes(255)]);
    expect(one.issuer.signingKey().blindSign(message)).toEqual(other.issuer.signingKey().blindSign(message));
    expect(one.issuer.signingKey().refusalOf(message)).toBeUndefined();
    expect(one.issuer.signingKey().refusalOf(Buffer.alloc(256))).toBe('out_of_range');
  });

  it('finds a key by its id and by its truncated id while it signs', async () => {
    const { issuer } = await replica();
    await issuer.ensureKeys();
    const key = issuer.signingKey();
    expect(issuer.keyFor(key.keyId)).toBe(key);
    expect(issuer.keyForTruncated(truncatedKeyId(key.keyId))).toBe(key);
    expect(issuer.keyFor(randomBytes(32))).toBeUndefined();
    const [tomorrow] = issuer.directoryKeys().filter(({ keyId }) => !keyId.equals(key.keyId));
    expect(issuer.keyFor(tomorrow?.keyId ?? Buffer.alloc(0))).toBeUndefined();
    clock.set(key.signUntil);
    expect(issuer.keyFor(key.keyId)).toBeUndefined();
    expect(issuer.keyForTruncated(truncatedKeyId(key.keyId))).toBeUndefined();
  });

  it('changes the key at midnight; the next signs 2 minutes early and the last 10 minutes late when named', async () => {
    const { issuer } = await replica();
    await issuer.ensureKeys();
    const monday = issuer.signingKey();
    const tuesday = issuer.directoryKeys().find(({ keyId }) => !keyId.equals(monday.keyId))?.keyId ?? Buffer.alloc(0);
    const signing = (at: string) => {
      clock.set(at);
      const named = [monday.keyId, tuesday].map((keyId) => issuer.keyFor(keyId) !== undefined);
      return { byDefault: issuer.signingKey().keyId.equals(monday.keyId) ? 'monday' : 'tuesday', named };
    };
    expect(signing('2030-06-10T23:57:59.999Z')).toEqual({ byDefault: 'monday', named: [true, false] });
    expect(signing('2030-06-10T23:58:00.000Z')).toEqual({ byDefault: 'monday', named: [true, true] });
    expect(signing('2030-06-10T23:59:59.999Z')).toEqual({ byDefault: 'monday', named: [true, true] });
    expect(signing('2030-06-11T00:00:00.000Z')).toEqual({ byDefault: 'tuesday', named: [true, true] });
    expect(signing('2030-06-11T00:09:59.999Z')).toEqual({ byDefault: 'tuesday', named: [true, true] });
    expect(signing('2030-06-11T00:10:00.000Z')).toEqual({ byDefault: 'tuesday', named: [false, true] });
  });

  it('publishes keys at least 2 hours before they sign, on any schedule of maintenance', async () => {
    const service = await replica();
    for (let day = 0; day < 3; day += 1) {
      clock.set(new Date(Date.UTC(2030, 5, 10 + day, 21, 57)));
      await service.identityMaintenance.runOnce('issuer-keys');
      const next = epochTimes(epochOf(clock.now()) + 1);
      expect(service.issuer.directoryKeys().map((key) => key.notBefore)).toContainEqual(next.notBefore);
    }
  });

  it('erases a private key when the key stops signing, and deletes its row two days after its tokens expired', async () => {
    const service = await replica();
    clock.set('2020-06-10T12:00:00Z');
    await service.issuer.ensureKeys();
    const first = service.issuer.signingKey();
    const states = async (at: Date) => {
      clock.set(at);
      await service.identityMaintenance.runOnce('issuer-keys');
      const row = (await rows()).find(({ key_id }) => key_id.equals(first.keyId));
      return row === undefined ? 'deleted' : row.sealed === null ? 'erased' : 'complete';
    };
    const after = (date: Date, ms: number) => new Date(date.getTime() + ms);
    expect(await states(after(first.signUntil, -1))).toBe('complete');
    expect(await states(first.signUntil)).toBe('erased');
    expect(await states(after(first.verifyUntil, 48 * 3_600_000))).toBe('erased');
    expect(await states(after(first.verifyUntil, 48 * 3_600_000 + 1_000))).toBe('deleted');
  });

  it('does not delete a key when only the clock of the service is wrong', async () => {
    const service = await replica();
    await service.issuer.ensureKeys();
    clock.set('2050-01-01T00:00:00Z');
    await service.identityMaintenance.runOnce('issuer-keys');
    expect((await rows()).filter((row) => row.sign_from < new Date('2031-01-01'))).toHaveLength(2);
  });
});

describe('IssuerKeysService.retire', () => {
  it('stops the key from signing, replaces it for the same day, and lists it as retired', async () => {
    const { issuer } = await replica();
    await issuer.ensureKeys();
    const retired = issuer.signingKey();
    expect(await issuer.retire(retired.keyId)).toBe(true);
    const replacement = issuer.signingKey();
    expect(replacement.keyId).not.toEqual(retired.keyId);
    expect(replacement.epoch).toBe(retired.epoch);
    expect(issuer.keyFor(retired.keyId)).toBeUndefined();
    expect(issuer.keyForTruncated(truncatedKeyId(retired.keyId))).toBeUndefined();
    const listed = issuer.directoryKeys().filter((key) => key.retired);
    expect(listed.map((key) => key.keyId)).toEqual([retired.keyId]);
    expect((await rows()).filter((row) => row.retired_at !== null).map((row) => row.sealed)).toEqual([null]);
  });

  it('takes effect on other replicas with their next refresh', async () => {
    const [one, other] = [await replica(), await replica()];
    await one.issuer.ensureKeys();
    await other.start();
    const { keyId } = one.issuer.signingKey();
    expect(other.issuer.keyFor(keyId)).toBeDefined();
    await one.issuer.retire(keyId);
    // There is no moment without a key: the replacement comes with the retirement.
    await expect.poll(() => other.issuer.signingKey().keyId).not.toEqual(keyId);
    expect(other.issuer.signingKey().keyId).toEqual(one.issuer.signingKey().keyId);
  });

  it('creates one replacement when several operators retire the key at once', async () => {
    replicas = await Promise.all(Array.from({ length: 4 }, () => replica()));
    const [first] = replicas as [CryptoSides];
    await first.issuer.ensureKeys();
    const { keyId } = first.issuer.signingKey();
    expect(await Promise.all(replicas.map(({ issuer }) => issuer.retire(keyId)))).toEqual([true, true, true, true]);
    expect(await rows()).toHaveLength(3);
  }, 60_000);

  it('returns false for a key that is not live', async () => {
    const { issuer } = await replica();
    await issuer.ensureKeys();
    expect(await issuer.retire(randomBytes(32))).toBe(false);
    expect((await rows()).filter((row) => row.retired_at !== null)).toHaveLength(0);
  });
});

describe('IssuerKeysService with ISSUER_KEY_ENCRYPTION_KEY', () => {
  const [oldKey, newKey] = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')];

  it('rotates it without downtime: the previous key decrypts until maintenance has re-encrypted all rows', async () => {
    const before = await replica({ ISSUER_KEY_ENCRYPTION_KEY: oldKey });
    await before.issuer.ensureKeys();
    const { keyId } = before.issuer.signingKey();
    const during = await replica({ ISSUER_KEY_ENCRYPTION_KEY: newKey, ISSUER_KEY_ENCRYPTION_KEY_PREVIOUS: oldKey });
    await during.identityMaintenance.runOnce('issuer-keys');
    expect(during.issuer.signingKey().keyId).toEqual(keyId);
    const after = await replica({ ISSUER_KEY_ENCRYPTION_KEY: newKey });
    await after.start();
    expect(after.issuer.signingKey().keyId).toEqual(keyId);
    await before.issuer.refresh();
    expect(before.issuer.signingKey().keyId).toEqual(keyId);
  });

  it('fails to start when it decrypts no key, and creates no new key instead', async () => {
    const before = await replica({ ISSUER_KEY_ENCRYPTION_KEY: oldKey });
    await before.issuer.ensureKeys();
    const stranger = await replica({ ISSUER_KEY_ENCRYPTION_KEY: newKey });
    await expect(stranger.start()).rejects.toThrow('ISSUER_KEY_ENCRYPTION_KEY');
    expect(() => stranger.issuer.signingKey()).toThrow('unavailable');
    expect(await rows()).toHaveLength(2);
  });

  it('does not decrypt a private key that was moved to another row', async () => {
    const { issuer } = await replica();
    await issuer.ensureKeys();
    await query(
      stack.identityUrl,
      `UPDATE identity."IssuerKey" k SET encrypted_private_key = o.encrypted_private_key
       FROM identity."IssuerKey" o WHERE o.key_id <> k.key_id`,
    );
    const fresh = await replica();
    await fresh.issuer.refresh();
    expect(() => fresh.issuer.signingKey()).toThrow('unavailable');
  });
});

describe('makeIssuerKey', () => {
  it('generates keys until one has a truncated id that no live key has', async () => {
    const candidates = Array.from({ length: 8 }, () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey);
    const byteOf = (key: KeyObject) => truncatedKeyId(keyIdOf(encodeTokenKey(key)));
    const [first, ...rest] = candidates as [KeyObject, ...KeyObject[]];
    const free = rest.find((key) => byteOf(key) !== byteOf(first)) as KeyObject;
    const offered = [first, first, free];
    const { keyId } = await makeIssuerKey(new Set([byteOf(first)]), async () => offered.shift() as KeyObject);
    expect(keyId).toEqual(keyIdOf(encodeTokenKey(free)));
    expect(offered).toHaveLength(0);
  });

  it('fails when no truncated id is free', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    await expect(makeIssuerKey(new Set(Array(256).keys()), async () => privateKey)).rejects.toThrow('free');
  });

  it('generates RSA-2048 with e = 65537, identified by its public key', async () => {
    const { keyId, spki, privateKey } = await makeIssuerKey(new Set());
    const key = createPrivateKey({ key: privateKey, format: 'der', type: 'pkcs8' });
    expect(key.asymmetricKeyType).toBe('rsa');
    expect(key.asymmetricKeyDetails).toMatchObject({ modulusLength: 2048, publicExponent: 65537n });
    expect(keyIdOf(spki)).toEqual(keyId);
  });
});
