import { describe, expect, it } from 'vitest';
import { NotificationKeys } from './notification-keys.js';

const keys = new NotificationKeys(Buffer.alloc(32, 1));
const who = { userId: '5a5a5a5a-5a5a-4a5a-8a5a-5a5a5a5a5a5a', kind: 'renewed' } as const;

describe('the address to unsubscribe at', () => {
  it('names who and what to us, and nothing to anybody else', () => {
    const token = keys.seal(who);
    expect(keys.open(token)).toEqual(who);
    expect(Buffer.from(token, 'base64url').toString('latin1')).not.toMatch(/5a5a|renewed/);
    expect(token).toMatch(/^[\w-]{40,200}$/);
    expect(keys.seal(who)).not.toBe(token);
  });

  it('is nobody’s when a bit of it is another, when it is cut, or made with another key', () => {
    const bytes = Buffer.from(keys.seal(who), 'base64url');
    for (let index = 0; index < bytes.length; index += 1) {
      const other = Buffer.from(bytes);
      other[index] = (other[index] ?? 0) ^ 1;
      expect(keys.open(other.toString('base64url'))).toBeUndefined();
    }
    expect(keys.open(bytes.subarray(0, 40).toString('base64url'))).toBeUndefined();
    expect(keys.open('')).toBeUndefined();
    expect(new NotificationKeys(Buffer.alloc(32, 2)).open(keys.seal(who))).toBeUndefined();
  });
});

it('the name of a message is the same each time, and tells no number', () => {
  expect(keys.messageName(7n)).toBe(keys.messageName(7n));
  expect(keys.messageName(7n)).not.toBe(keys.messageName(8n));
  expect(keys.messageName(7n)).toMatch(/^[0-9a-f]{32}$/);
});
