import { describe, expect, it } from 'vitest';
import { NotificationKeys } from './notification-keys.js';

const keys = new NotificationKeys(Buffer.alloc(32, 1));
const unsubscription = { userId: '5a5a5a5a-5a5a-4a5a-8a5a-5a5a5a5a5a5a', kind: 'renewed' } as const;

describe('NotificationKeys', () => {
  it('seals user and kind in a token that only the service can read', () => {
    const token = keys.seal(unsubscription);
    expect(keys.open(token)).toEqual(unsubscription);
    expect(Buffer.from(token, 'base64url').toString('latin1')).not.toMatch(/5a5a|renewed/);
    expect(token).toMatch(/^[\w-]{40,200}$/);
    expect(keys.seal(unsubscription)).not.toBe(token);
  });

  it('refuses a token that was altered, truncated or sealed with another key', () => {
    const bytes = Buffer.from(keys.seal(unsubscription), 'base64url');
    for (let index = 0; index < bytes.length; index += 1) {
      const altered = Buffer.from(bytes);
      altered[index] = (altered[index] ?? 0) ^ 1;
      expect(keys.open(altered.toString('base64url'))).toBeUndefined();
    }
    expect(keys.open(bytes.subarray(0, 40).toString('base64url'))).toBeUndefined();
    expect(keys.open('')).toBeUndefined();
    expect(new NotificationKeys(Buffer.alloc(32, 2)).open(keys.seal(unsubscription))).toBeUndefined();
  });

  it('names a message the same each time, without revealing the delivery’s number', () => {
    expect(keys.messageName(7n)).toBe(keys.messageName(7n));
    expect(keys.messageName(7n)).not.toBe(keys.messageName(8n));
    expect(keys.messageName(7n)).toMatch(/^[0-9a-f]{32}$/);
  });
});
