import { createPrivateKey, type KeyObject } from 'node:crypto';

/** A plain RSA private key from its primes, in hexadecimal, with e = 65537. */
export function rsaKeyFromPrimes({ p, q }: { readonly p: string; readonly q: string }): KeyObject {
  const [P, Q] = [BigInt(`0x${p}`), BigInt(`0x${q}`)];
  const d = inverse(65537n, (P - 1n) * (Q - 1n));
  const numbers = { n: P * Q, e: 65537n, d, p: P, q: Q, dp: d % (P - 1n), dq: d % (Q - 1n), qi: inverse(Q, P) };
  const jwk = Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, base64url(value)]));
  return createPrivateKey({ key: { kty: 'RSA', ...jwk }, format: 'jwk' });
}

function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [value % modulus, modulus, 1n, 0n];
  while (b !== 0n) [a, b, x, y] = [b, a % b, y, x - (a / b) * y];
  return ((x % modulus) + modulus) % modulus;
}

function base64url(value: bigint): string {
  const hex = value.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url');
}
