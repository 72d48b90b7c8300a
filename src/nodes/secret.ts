import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** Bytes are stored as this type by Prisma. */
export type Hash = Buffer<ArrayBuffer>;

export interface Secret {
  /** 32 random bytes, base64url: shown once. */
  readonly text: string;
  /** SHA-256 of the text: what is kept. */
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

/** In a time that does not tell where they differ. */
export function sameHash(a: Uint8Array, b: Uint8Array | null): boolean {
  return b !== null && a.length === b.length && timingSafeEqual(a, b);
}
