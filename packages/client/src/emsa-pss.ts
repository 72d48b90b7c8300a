import { type Bytes, concat } from './bytes.js';

const hashLength = 48;

/** Salt length of RSABSSA-SHA384-PSS-Deterministic (RFC 9474 §5): 48 bytes. */
export const saltLength = 48;

/**
 * EMSA-PSS-ENCODE with SHA-384 and MGF1 (RFC 8017 §9.1.1). The steps are numbered as there.
 *
 * @param emBits the modulus' length in bits, less one
 * @param salt 48 bytes
 */
export async function emsaPssEncode(message: Bytes, emBits: number, salt: Bytes): Promise<Bytes> {
  const emLength = Math.ceil(emBits / 8);
  // 2.
  const mHash = await sha384(message);
  // 3.
  if (emLength < hashLength + salt.length + 2) throw new RangeError('encoding error');
  // 5, 6.
  const h = await sha384(concat(new Uint8Array(8), mHash, salt));
  // 7, 8.
  const db = concat(new Uint8Array(emLength - salt.length - hashLength - 2), Uint8Array.of(0x01), salt);
  // 9, 10.
  const mask = await mgf1(h, db.length);
  const maskedDb = db.map((byte, index) => byte ^ (mask[index] ?? 0));
  // 11.
  maskedDb.set([(maskedDb[0] ?? 0) & (0xff >> (8 * emLength - emBits))]);
  // 12.
  return concat(maskedDb, h, Uint8Array.of(0xbc));
}

/** MGF1 (RFC 8017 §B.2.1) with SHA-384. */
async function mgf1(seed: Bytes, length: number): Promise<Bytes> {
  const blocks: Promise<Bytes>[] = [];
  for (let counter = 0; counter * hashLength < length; counter++) {
    blocks.push(sha384(concat(seed, Uint8Array.of(counter >>> 24, counter >>> 16, counter >>> 8, counter))));
  }
  return concat(...(await Promise.all(blocks))).slice(0, length);
}

async function sha384(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-384', bytes));
}
