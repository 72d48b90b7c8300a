import { createHash, createHmac, randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ConnectionSecretsService, secretHashOf } from './connection-secrets.service.js';

const [older, old, current] = [randomBytes(32), randomBytes(32), randomBytes(32)];
const token = randomBytes(98);
const id = randomUUID();
const salt = randomBytes(16);

describe('ConnectionSecretsService', () => {
  const secrets = new ConnectionSecretsService({ secretKey: current, secretKeyPrevious: undefined });
  const { currentKeyId } = secrets;

  it('derives each secret as an HMAC with the server key and its own label', () => {
    const secret = createHmac('sha256', current).update('secret').update(token).digest('base64url');
    expect(secrets.connectionSecret(token, currentKeyId)).toBe(secret);
    expect(secret).toHaveLength(43);
    const uuid = Buffer.from(id.replaceAll('-', ''), 'hex');
    expect(uuid).toHaveLength(16);
    const psk = createHmac('sha256', current).update('psk').update(uuid).update(salt).digest();
    expect(secrets.presharedKey(id, salt, currentKeyId)).toEqual(psk);
    expect(psk).toHaveLength(32);
  });

  it('identifies a server key by the first 8 bytes of its SHA-256', () => {
    expect(currentKeyId).toEqual(createHash('sha256').update(current).digest().subarray(0, 8));
  });

  it('is deterministic, and depends on token, connection, salt and key', () => {
    const other = new ConnectionSecretsService({ secretKey: old, secretKeyPrevious: undefined });
    const all = [
      secrets.connectionSecret(token, currentKeyId),
      secrets.connectionSecret(randomBytes(98), currentKeyId),
      other.connectionSecret(token, other.currentKeyId),
      secrets.presharedKey(id, salt, currentKeyId)?.toString('base64url'),
      secrets.presharedKey(randomUUID(), salt, currentKeyId)?.toString('base64url'),
      secrets.presharedKey(id, randomBytes(16), currentKeyId)?.toString('base64url'),
      other.presharedKey(id, salt, other.currentKeyId)?.toString('base64url'),
    ];
    expect(new Set(all).size).toBe(all.length);
    expect(secrets.connectionSecret(token, currentKeyId)).toBe(all[0]);
    expect(secrets.presharedKey(id, salt, currentKeyId)?.toString('base64url')).toBe(all[3]);
  });

  it('stores a SHA-256 of the connection secret, which does not work as the secret', () => {
    const secret = secrets.connectionSecret(token, currentKeyId) ?? '';
    expect(secretHashOf(secret)).toEqual(createHash('sha256').update(secret).digest());
    expect(secretHashOf(secretHashOf(secret).toString('base64url'))).not.toEqual(secretHashOf(secret));
  });
});

describe('ConnectionSecretsService with a rotated server key', () => {
  const before = new ConnectionSecretsService({ secretKey: old, secretKeyPrevious: older });
  const after = new ConnectionSecretsService({ secretKey: current, secretKeyPrevious: old });

  it('derives the same secrets for rows of the previous key, and uses the new key for new rows', () => {
    expect(after.connectionSecret(token, before.currentKeyId)).toBe(
      before.connectionSecret(token, before.currentKeyId),
    );
    expect(after.presharedKey(id, salt, before.currentKeyId)).toEqual(
      before.presharedKey(id, salt, before.currentKeyId),
    );
    expect(after.currentKeyId).not.toEqual(before.currentKeyId);
    expect(after.connectionSecret(token, after.currentKeyId)).not.toBe(
      before.connectionSecret(token, before.currentKeyId),
    );
  });

  it('returns undefined for a row whose key is no longer configured', () => {
    const removedKeyId = new ConnectionSecretsService({ secretKey: older, secretKeyPrevious: undefined }).currentKeyId;
    expect(before.connectionSecret(token, removedKeyId)).toBeDefined();
    expect(after.connectionSecret(token, removedKeyId)).toBeUndefined();
    expect(after.presharedKey(id, salt, removedKeyId)).toBeUndefined();
  });

  it('finds the key when the driver returns its id as a Uint8Array', () => {
    expect(after.presharedKey(id, salt, new Uint8Array(before.currentKeyId))).toBeDefined();
  });
});
