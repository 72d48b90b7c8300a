import { createHash } from 'node:crypto';

/** 32 bytes: names a spent token in Redis, and through its id in PostgreSQL. */
export function tokenHashOf(token: Uint8Array): Buffer<ArrayBuffer> {
  return createHash('sha256').update(token).digest();
}

/**
 * The id of the only connection that a token can buy: the first 16 bytes of SHA-256("vpn-connection-id" ‖ token hash), as a
 * UUID's text. PostgreSQL's primary key is so a second lock on the token, beside the mark in Redis.
 */
export function connectionIdOf(tokenHash: Uint8Array): string {
  const hex = createHash('sha256').update('vpn-connection-id').update(tokenHash).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}
