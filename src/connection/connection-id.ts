import { createHash } from 'node:crypto';

/** 32 bytes. Identifies a spent token in Redis, and in PostgreSQL through the connection id that is derived from it. */
export function tokenHashOf(token: Uint8Array): Buffer<ArrayBuffer> {
  return createHash('sha256').update(token).digest();
}

/**
 * The id of the only connection that a token can give: the first 16 bytes of SHA-256("vpn-connection-id" ‖ token hash), as a
 * UUID of version 8 (RFC 9562 §5.8). This makes PostgreSQL's primary key a second lock on the token, beside the mark in Redis.
 */
export function connectionIdOf(tokenHash: Uint8Array): string {
  const bytes = createHash('sha256').update('vpn-connection-id').update(tokenHash).digest();
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}
