import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { type DirectoryKey } from '../directory.js';
import { type Epoch, epochSigningFrom, epochTimes } from '../epoch.js';
import { encodeTokenKey, keyIdOf, parseTokenKey, truncatedKeyId } from '../token-key.js';
import { blindSign, type BlindSigner, type Refusal, refusalOf } from './blind-sign.js';

/** A key as the database holds it. */
export interface StoredIssuerKey {
  readonly keyId: Buffer;
  readonly spki: Buffer;
  /** Null once erased: the key no longer signs. */
  readonly encryptedPrivateKey: Buffer | null;
  readonly signFrom: Date;
  readonly signUntil: Date;
  readonly verifyUntil: Date;
  readonly retiredAt: Date | null;
}

/** A key that is able to sign; whether it may, the time decides. */
export class SigningKey {
  readonly keyId: Buffer;
  readonly spki: Buffer;
  /** The UTC day it serves. `signFrom` lies on the day before. */
  readonly epoch: Epoch;
  /** The epoch's midnight: from here on clients choose it. */
  readonly notBefore: Date;
  readonly signFrom: Date;
  readonly signUntil: Date;
  /** When the tokens it signs end. */
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

  /** Why this blinded message would not be signed; undefined when it would. Ask before a quota is spent. */
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

/** How many fresh keys are tried for one whose truncated id is free. With a handful of live keys, the second is rare. */
const maxAttempts = 64;

export interface FreshKey {
  readonly keyId: Buffer;
  readonly spki: Buffer;
  /** PKCS #8 DER. Overwrite it once sealed. */
  readonly privateKey: Buffer;
}

/**
 * Makes an RSA-2048 key, off the main thread, whose truncated id no live key has: a TokenRequest names its key by that
 * byte alone.
 */
export async function makeIssuerKey(
  taken: ReadonlySet<number>,
  generate: () => Promise<KeyObject> = generateRsaKey,
): Promise<FreshKey> {
  for (let tries = 0; tries < maxAttempts; tries += 1) {
    const key = await generate();
    const spki = encodeTokenKey(key);
    const keyId = keyIdOf(spki);
    if (!taken.has(truncatedKeyId(keyId))) {
      return { keyId, spki, privateKey: key.export({ format: 'der', type: 'pkcs8' }) };
    }
  }
  throw new Error('no issuer key with a free truncated id was found: too many keys are live');
}

/** Makes a stored key able to sign. `privateKey` (PKCS #8 DER) is overwritten. */
export function openIssuerKey(stored: StoredIssuerKey, privateKey: Buffer): SigningKey {
  const key = createPrivateKey({ key: privateKey, format: 'der', type: 'pkcs8' });
  privateKey.fill(0);
  const tokenKey = parseTokenKey(stored.spki);
  if (tokenKey === undefined || !encodeTokenKey(key).equals(stored.spki)) {
    throw new Error('an issuer key does not belong to its public half');
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
