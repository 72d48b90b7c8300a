import { type Bytes, fromBigInt, randomBytes, toBase64url, toBigInt } from './bytes.js';
import { emsaPssEncode, saltLength } from './emsa-pss.js';
import { TokenError } from './errors.js';

/*
 * The client's part of RSABSSA-SHA384-PSS-Deterministic (RFC 9474 §4.2 and §4.4).
 *
 * The signer sees z = m·r^e mod n. For every message m there is exactly one r that gives this z, so z reveals nothing about m.
 * The signer's answer z^d = m^d·r, divided by r, is an ordinary RSA-PSS signature of the message. "Deterministic" means that the
 * message is signed without a random prefix, since a token already contains a nonce; the salt is random.
 *
 * A dishonest issuer could choose a modulus for which r^e does not cover all values, and learn a little from z. But then it
 * could not sign most messages. So every signature is verified before it is used.
 */

export interface RsaPublicKey {
  readonly n: bigint;
  readonly e: bigint;
}

export interface BlindedMessage {
  /** As long as the modulus. */
  readonly blindedMessage: Bytes;
  /** The inverse of the blinding factor, for `finalize`. Secret: it links the blinded message to the signature. */
  readonly inverse: bigint;
}

/** The random values for one message. Tests pass those of the RFC. */
export interface BlindingRandomness {
  /** 48 bytes. */
  readonly salt: Bytes;
  /** 1 ≤ r < n. */
  readonly r: bigint;
}

/** Blind (RFC 9474 §4.2) of one message: see `blindMessages`. */
export async function blindMessage(
  key: RsaPublicKey,
  message: Bytes,
  randomness?: BlindingRandomness,
): Promise<BlindedMessage> {
  const [blinded] = await blindMessages(key, [message], randomness && [randomness]);
  if (blinded === undefined) throw new RangeError('blinding error');
  return blinded;
}

/**
 * Blind (RFC 9474 §4.2) of several messages at once. The steps are the RFC's, except that a batch shares the one costly step,
 * the inversion: it inverts the product of all values, and multiplications give the inverse of each (Montgomery's trick).
 *
 * The secrets, `r` and the message, go through the same sequence of operations whatever their values: exponents are public. Only
 * Euclid's algorithm takes steps that depend on its input. So its input is multiplied by a random factor, `mask`, which makes
 * the input, and the time it takes, uniformly random and independent of every secret.
 */
export async function blindMessages(
  { n, e }: RsaPublicKey,
  messages: readonly Bytes[],
  randomness: readonly BlindingRandomness[] = messages.map(() => ({
    salt: randomBytes(saltLength),
    r: randomBelow(n),
  })),
): Promise<BlindedMessage[]> {
  // 1, 2. (RFC 8017 §8.1.1 encodes to one bit less than the modulus, so that m < n.)
  const emBits = bitLength(n) - 1;
  const inputs = await Promise.all(
    messages.map(async (message, index) => {
      const { salt, r } = randomness[index] ?? { salt: randomBytes(saltLength), r: randomBelow(n) };
      return { m: toBigInt(await emsaPssEncode(message, emBits, salt)), r };
    }),
  );
  // 3, 4, 5, 6. A message that shares a factor with n would not be hidden; it would also reveal a factor of n.
  const inverses = inversesModulo(
    inputs.map(({ m, r }) => (m * r) % n),
    n,
  );
  return inputs.map(({ m, r }, index) => {
    const inverse = ((inverses[index] ?? 0n) * m) % n;
    // 7, 8.
    const z = (m * powerModulo(r, e, n)) % n;
    // 9, 10.
    return { blindedMessage: fromBigInt(z, modulusLength(n)), inverse };
  });
}

/**
 * Finalize (RFC 9474 §4.4).
 *
 * @returns the verified signature, as long as the modulus
 * @throws {TokenError} `invalid_blind_signature`
 */
export async function finalizeSignature(
  key: RsaPublicKey,
  message: Bytes,
  blindSignature: Uint8Array,
  inverse: bigint,
): Promise<Bytes> {
  const length = modulusLength(key.n);
  // 1.
  if (blindSignature.length !== length) {
    throw new TokenError(
      'invalid_blind_signature',
      `A blind signature has ${length} bytes, not ${blindSignature.length}.`,
    );
  }
  // 2, 3, 4.
  const signature = fromBigInt((toBigInt(blindSignature) * inverse) % key.n, length);
  // 5, 6.
  if (!(await verifySignature(key, message, signature))) {
    throw new TokenError(
      'invalid_blind_signature',
      'The signature is invalid: the issuer did not sign with the key that it publishes.',
    );
  }
  return signature;
}

/** RSASSA-PSS-VERIFY (RFC 8017 §8.1.2) with SHA-384, MGF1 and a 48-byte salt. */
export async function verifySignature(key: RsaPublicKey, message: Bytes, signature: Bytes): Promise<boolean> {
  return crypto.subtle.verify({ name: 'RSA-PSS', saltLength }, await verifyingKeyOf(key), signature, message);
}

const verifyingKeys = new WeakMap<RsaPublicKey, Promise<CryptoKey>>();

/** Each key is imported once: an import costs as much as a verification. */
function verifyingKeyOf(key: RsaPublicKey): Promise<CryptoKey> {
  const cached = verifyingKeys.get(key);
  if (cached !== undefined) return cached;
  const jwk = { kty: 'RSA', n: bigIntToBase64url(key.n), e: bigIntToBase64url(key.e) };
  const imported = crypto.subtle.importKey('jwk', jwk, { name: 'RSA-PSS', hash: 'SHA-384' }, false, ['verify']);
  verifyingKeys.set(key, imported);
  return imported;
}

/** x^exponent mod n. */
function powerModulo(x: bigint, exponent: bigint, n: bigint): bigint {
  let result = 1n;
  for (const bit of exponent.toString(2)) {
    result = (result * result) % n;
    if (bit === '1') result = (result * x) % n;
  }
  return result;
}

/**
 * The inverse of each value, by one inversion of the product of all values and a random factor.
 *
 * @throws {RangeError} when a value shares a factor with n
 */
function inversesModulo(values: readonly bigint[], n: bigint): bigint[] {
  const mask = randomBelow(n);
  const products = [mask];
  for (const value of values) products.push(((products.at(-1) ?? 0n) * value) % n);
  let inverse = inverseModulo(products.at(-1) ?? 0n, n);
  if (inverse === undefined) throw new RangeError('blinding error');
  const inverses: bigint[] = [];
  for (let index = values.length - 1; index >= 0; index--) {
    inverses.unshift((inverse * (products[index] ?? 0n)) % n);
    inverse = (inverse * (values[index] ?? 0n)) % n;
  }
  return inverses;
}

/** The extended Euclidean algorithm. @returns undefined when x and n share a factor */
export function inverseModulo(x: bigint, n: bigint): bigint | undefined {
  let [remainder, next] = [n, x % n];
  let [coefficient, nextCoefficient] = [0n, 1n];
  while (next !== 0n) {
    const quotient = remainder / next;
    [remainder, next] = [next, remainder - quotient * next];
    [coefficient, nextCoefficient] = [nextCoefficient, coefficient - quotient * nextCoefficient];
  }
  if (remainder !== 1n) return undefined;
  return coefficient < 0n ? coefficient + n : coefficient;
}

/** random_integer_uniform(1, n) of RFC 9474 §3, by rejection: every value is equally likely. */
function randomBelow(n: bigint): bigint {
  const length = modulusLength(n);
  for (;;) {
    const candidate = toBigInt(randomBytes(length));
    if (candidate >= 1n && candidate < n) return candidate;
  }
}

function modulusLength(n: bigint): number {
  return Math.ceil(bitLength(n) / 8);
}

function bitLength(n: bigint): number {
  return n.toString(2).length;
}

function bigIntToBase64url(value: bigint): string {
  return toBase64url(fromBigInt(value, Math.ceil(bitLength(value) / 8)));
}
