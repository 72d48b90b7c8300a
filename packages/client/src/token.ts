import { blindMessages, finalizeSignature } from './blind-rsa.js';
import { type Bytes, concat, randomBytes, sha256 } from './bytes.js';
import { TokenError } from './errors.js';
import { parseTokenKey, type TokenKey } from './token-key.js';

/** Token type 0x0002, Blind RSA (2048-bit): RFC 9578 §8.2.2. */
const tokenType = Uint8Array.of(0x00, 0x02);

/** The challenge that a token answers. This service's has no redemption context, so that tokens can be fetched ahead. */
export interface TokenChallenge {
  readonly issuerName: string;
  readonly originInfo: string;
}

/**
 * RFC 9577 §2.1.1, with an empty redemption context.
 *
 * @throws {RangeError} a name that is empty or longer than 65535 bytes
 */
export function buildTokenChallenge({ issuerName, originInfo }: TokenChallenge): Bytes {
  const issuer = new TextEncoder().encode(issuerName);
  const origin = new TextEncoder().encode(originInfo);
  if (issuer.length === 0) throw new RangeError('issuerName must have 1 to 65535 bytes');
  return concat(tokenType, uint16(issuer.length), issuer, Uint8Array.of(0), uint16(origin.length), origin);
}

/**
 * Parses a challenge of token type 0x0002 without a redemption context. A context could link the issuance of a token to its
 * redemption, so a challenge with one is refused.
 *
 * @throws {TokenError} `invalid_challenge`
 */
export function parseTokenChallenge(challenge: Bytes): TokenChallenge {
  try {
    const view = new DataView(challenge.buffer, challenge.byteOffset, challenge.byteLength);
    const issuerEnd = 4 + view.getUint16(2);
    const originStart = issuerEnd + 3;
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    const complete =
      view.getUint16(0) === 2 &&
      issuerEnd > 4 &&
      view.getUint8(issuerEnd) === 0 &&
      originStart + view.getUint16(issuerEnd + 1) === challenge.length;
    if (complete) {
      return {
        issuerName: text.decode(challenge.slice(4, issuerEnd)),
        originInfo: text.decode(challenge.slice(originStart)),
      };
    }
  } catch {
    // Too short, or not UTF-8.
  }
  throw new TokenError('invalid_challenge', 'Expected a challenge of token type 0x0002 without a redemption context.');
}

/** challenge_digest of RFC 9578 §6.1: 32 bytes. */
export async function challengeDigestOf(challenge: Bytes): Promise<Bytes> {
  return sha256(challenge);
}

/** token_input of RFC 9578 §6.1: 98 bytes. Each argument has 32 bytes. */
export function buildTokenInput(nonce: Bytes, challengeDigest: Bytes, keyId: Bytes): Bytes {
  if ([nonce, challengeDigest, keyId].some((part) => part.length !== 32)) {
    throw new RangeError('nonce, challenge digest and key id must have 32 bytes each');
  }
  return concat(tokenType, nonce, challengeDigest, keyId);
}

/** A token that is blinded and not signed yet. Only `blindedToken` may be sent to the issuer; the rest is secret. */
export interface BlindedToken {
  readonly key: TokenKey;
  /** 98 bytes: the token to spend. Never sent to the issuer. */
  readonly token: Bytes;
  /** 256 bytes: the message that the issuer signs. */
  readonly blindedToken: Bytes;
  readonly inverse: bigint;
}

/**
 * Makes a new token and blinds it.
 *
 * @param key a parsed key, or its SPKI (342 bytes of DER)
 * @param challengeDigest SHA-256 of the TokenChallenge, 32 bytes
 * @throws {TokenError} `invalid_token_key`
 * @throws {RangeError} a digest of another length
 */
export async function blind(key: TokenKey | Bytes, challengeDigest: Bytes): Promise<BlindedToken> {
  const [token] = await blindBatch(key instanceof Uint8Array ? await parseTokenKey(key) : key, challengeDigest, 1);
  if (token === undefined) throw new RangeError('blinding error');
  return token;
}

/**
 * Makes new tokens and blinds them: faster than one by one, and just as unlinkable.
 *
 * @param challengeDigest SHA-256 of the TokenChallenge, 32 bytes
 * @throws {RangeError} a digest of another length
 */
export async function blindBatch(key: TokenKey, challengeDigest: Bytes, count: number): Promise<BlindedToken[]> {
  const tokens = Array.from({ length: count }, () => buildTokenInput(randomBytes(32), challengeDigest, key.keyId));
  const blinded = await blindMessages(key, tokens);
  return tokens.flatMap((token, index) => {
    const { blindedMessage: blindedToken, inverse } = blinded[index] ?? {};
    return blindedToken === undefined || inverse === undefined ? [] : [{ key, token, blindedToken, inverse }];
  });
}

/**
 * Unblinds the issuer's signature and verifies it.
 *
 * @param blindSignature 256 bytes
 * @returns the token's signature, 256 bytes
 * @throws {TokenError} `invalid_blind_signature`: not a signature of this token by the published key
 */
export async function finalize({ key, token, inverse }: BlindedToken, blindSignature: Uint8Array): Promise<Bytes> {
  return finalizeSignature(key, token, blindSignature, inverse);
}

function uint16(value: number): Bytes {
  if (value > 0xffff) throw new RangeError('issuerName and originInfo must have at most 65535 bytes');
  return Uint8Array.of(value >> 8, value & 0xff);
}
