import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { PrivateKeyEncryption, PrivateKeyEncryptionError } from './private-key-encryption.js';

const [oldKey, newKey, otherKey] = [randomBytes(32), randomBytes(32), randomBytes(32)];
const keyId = randomBytes(32);
const privateKey = randomBytes(1_218);
const before = new PrivateKeyEncryption(oldKey);
const during = new PrivateKeyEncryption(newKey, oldKey);
const after = new PrivateKeyEncryption(newKey);

const refused = (code: PrivateKeyEncryptionError['code']) => new PrivateKeyEncryptionError(code);

describe('PrivateKeyEncryption', () => {
  it('decrypts what it encrypted, and never produces the same ciphertext twice', () => {
    expect(before.open(keyId, before.seal(keyId, privateKey))).toEqual(privateKey);
    expect(before.seal(keyId, privateKey)).not.toEqual(before.seal(keyId, privateKey));
    expect(before.seal(keyId, privateKey).includes(privateKey.subarray(0, 16))).toBe(false);
  });

  it('decrypts with the previous encryption key until the private key is re-encrypted', () => {
    const sealed = before.seal(keyId, privateKey);
    expect(during.open(keyId, sealed)).toEqual(privateKey);
    const wrapped = during.rewrap(keyId, sealed);
    expect(wrapped).toBeDefined();
    expect(after.open(keyId, wrapped as Buffer)).toEqual(privateKey);
    expect(() => before.open(keyId, wrapped as Buffer)).toThrow(refused('unknown_encryption_key'));
    expect(during.rewrap(keyId, wrapped as Buffer)).toBeUndefined();
  });

  it('encrypts with the current key even when a previous one is configured', () => {
    expect(after.open(keyId, during.seal(keyId, privateKey))).toEqual(privateKey);
  });

  it('does not decrypt with another encryption key', () => {
    const sealed = before.seal(keyId, privateKey);
    expect(() => new PrivateKeyEncryption(otherKey).open(keyId, sealed)).toThrow(refused('unknown_encryption_key'));
  });

  it('does not decrypt for another key id, so that rows cannot be swapped', () => {
    expect(() => before.open(randomBytes(32), before.seal(keyId, privateKey))).toThrow(refused('not_authentic'));
  });

  it('does not decrypt when any byte is changed', () => {
    const sealed = before.seal(keyId, privateKey);
    for (let index = 0; index < sealed.length; index += 1) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(index) ^ 0x80, index);
      expect(() => before.open(keyId, changed), `byte ${index}`).toThrow(PrivateKeyEncryptionError);
    }
  });

  it('does not decrypt truncated or extended data', () => {
    const sealed = before.seal(keyId, privateKey);
    for (const length of [0, 1, 8, 9, 20, 21, 36, 37, sealed.length - 1]) {
      expect(() => before.open(keyId, sealed.subarray(0, length)), `${length}`).toThrow(PrivateKeyEncryptionError);
    }
    expect(() => before.open(keyId, Buffer.concat([sealed, Buffer.of(0)]))).toThrow(refused('not_authentic'));
  });
});
