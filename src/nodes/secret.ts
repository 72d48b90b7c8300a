import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** The type in which Prisma takes bytes. */
export type Hash = Buffer<ArrayBuffer>;

export interface Secret {
  /** 32 random bytes, base64url; never stored. */
  readonly text: string;
  /** SHA-256 of the text; this is stored. */
  readonly hash: Hash;
}

/** A new enrolment token or node credential. */
export function newSecret(): Secret {
  const text = randomBytes(32).toString('base64url');
  return { text, hash: hashOf(text) };
}

export function hashOf(text: string): Hash {
  return createHash('sha256').update(text).digest();
}

/** Compares in constant time. */
export function sameHash(a: Uint8Array, b: Uint8Array | null): boolean {
  return b !== null && a.length === b.length && timingSafeEqual(a, b);
}
