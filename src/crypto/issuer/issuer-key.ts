import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { type DirectoryKey } from '../directory.js';
import { type Epoch, epochSigningFrom, epochTimes } from '../epoch.js';
import { encodeTokenKey, keyIdOf, parseTokenKey, truncatedKeyId } from '../token-key.js';
import { blindSign, type BlindSigner, type Refusal, refusalOf } from './blind-sign.js';

/** A key as stored in the database. */
export interface StoredIssuerKey {
  readonly keyId: Buffer;
  readonly spki: Buffer;
  /** Null once erased; then the key can no longer sign. */
  readonly encryptedPrivateKey: Buffer | null;
  readonly signFrom: Date;
  readonly signUntil: Date;
  readonly verifyUntil: Date;
  readonly retiredAt: Date | null;
}

/** A key that can sign. Use it only while `signsAt` is true. */
export class SigningKey {
  readonly keyId: Buffer;
  readonly spki: Buffer;
  /** The UTC day of the key. `signFrom` is on the day before. */
  readonly epoch: Epoch;
  /** Midnight at which the epoch starts: from this time on, clients use the key. */
  readonly notBefore: Date;
  readonly signFrom: Date;
  readonly signUntil: Date;
  /** When the tokens that it signs expire. */
  readonly verifyUntil: Date;

  constructor(
    stored: StoredIssuerKey,
    private readonly signer: BlindSigner,
  ) {
    this.keyId = stored.keyId;
    this.spki = stored.spki;
    this.epoch = epochSigningFrom(stored.signFrom);
    this.notBefore = epochTimes(this.epoch).notBefore;
    this.signFrom = stored.signFrom;
    this.signUntil = stored.signUntil;
    this.verifyUntil = stored.verifyUntil;
  }

  signsAt(now: Date): boolean {
    return this.signFrom <= now && now < this.signUntil;
  }

  /** Why `blindSign` would refuse this message; undefined when it would sign. Check this before you use up a quota. */
  refusalOf(blindedMessage: Buffer): Refusal | undefined {
    return refusalOf(this.signer.modulus, blindedMessage);
  }

  /**
   * @param blindedMessage 256 bytes
   * @returns the blind signature, 256 bytes; the same for the same message
   * @throws {BlindSignError}
   */
  blindSign(blindedMessage: Buffer): Buffer {
    return blindSign(this.signer, blindedMessage);
  }
}

/** How many keys to generate until one has a free truncated id. With a handful of live keys, the first nearly always has. */
const maxAttempts = 64;

export interface FreshKey {
  readonly keyId: Buffer;
  readonly spki: Buffer;
  /** PKCS #8 DER. Overwrite it after encryption. */
  readonly privateKey: Buffer;
}

/**
 * Generates an RSA-2048 key, off the main thread. Its truncated id differs from those of all live keys, because a TokenRequest
 * identifies its key by that byte alone.
 */
export async function makeIssuerKey(
  taken: ReadonlySet<number>,
  generate: () => Promise<KeyObject> = generateRsaKey,
): Promise<FreshKey> {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const key = await generate();
    const spki = encodeTokenKey(key);
    const keyId = keyIdOf(spki);
    if (!taken.has(truncatedKeyId(keyId))) {
      return { keyId, spki, privateKey: key.export({ format: 'der', type: 'pkcs8' }) };
    }
  }
  throw new Error('could not generate an issuer key with a free truncated id: too many keys are live');
}

/** Turns a stored key into one that can sign. Overwrites `privateKey` (PKCS #8 DER). */
export function openIssuerKey(stored: StoredIssuerKey, privateKey: Buffer): SigningKey {
  const key = createPrivateKey({ key: privateKey, format: 'der', type: 'pkcs8' });
  privateKey.fill(0);
  const tokenKey = parseTokenKey(stored.spki);
  if (tokenKey === undefined || !encodeTokenKey(key).equals(stored.spki)) {
    throw new Error('the private key of an issuer key does not match its public key');
  }
  return new SigningKey(stored, { privateKey: key, publicKey: tokenKey.publicKey, modulus: tokenKey.modulus });
}

export function toDirectoryKey(stored: StoredIssuerKey): DirectoryKey {
  return {
    keyId: stored.keyId,
    spki: stored.spki,
    notBefore: epochTimes(epochSigningFrom(stored.signFrom)).notBefore,
    signUntil: stored.signUntil,
    verifyUntil: stored.verifyUntil,
    retired: stored.retiredAt !== null,
  };
}

const generatePair = promisify(generateKeyPair);

async function generateRsaKey(): Promise<KeyObject> {
  const { privateKey } = await generatePair('rsa', { modulusLength: 2048, publicExponent: 0x10001 });
  return privateKey;
}
