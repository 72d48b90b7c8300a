import { createHash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { connectionIdOf, tokenHashOf } from './connection-id.js';

describe('connectionIdOf', () => {
  it('gives the same id as in the first release', () => {
    const hash = tokenHashOf(Buffer.alloc(98));
    expect(hash.toString('hex')).toBe(createHash('sha256').update(Buffer.alloc(98)).digest('hex'));
    expect(connectionIdOf(hash)).toBe('a27b050a-0a83-8c1a-8bfd-5a4cbcaed454');
  });

  it('gives a UUID of version 8 that can be derived from the token’s hash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (hash) => {
        const id = connectionIdOf(hash);
        expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        const digest = createHash('sha256').update('vpn-connection-id').update(hash).digest('hex');
        const fixed = (text: string) => text.slice(0, 12) + text.slice(13, 16) + text.slice(17, 32);
        expect(fixed(id.replaceAll('-', ''))).toBe(fixed(digest));
      }),
    );
  });

  it('differs from the token’s hash, and for each token', () => {
    const ids = Array.from({ length: 1_000 }, () => connectionIdOf(tokenHashOf(randomBytes(98))));
    expect(new Set(ids).size).toBe(1_000);
    const hash = tokenHashOf(Buffer.alloc(98));
    expect(hash.toString('hex')).not.toContain(connectionIdOf(hash).slice(0, 8));
  });

  it('changes with any bit of the token', () => {
    const token = randomBytes(98);
    const ids = new Set([connectionIdOf(tokenHashOf(token))]);
    for (let bit = 0; bit < 98 * 8; bit += 1) {
      const altered = Buffer.from(token);
      altered.writeUInt8(altered.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      ids.add(connectionIdOf(tokenHashOf(altered)));
    }
    expect(ids.size).toBe(98 * 8 + 1);
  });
});
