import { createHash } from 'node:crypto';
import { type CommonConfig } from '../platform/config/index.js';
import { blindRsa } from './token.js';

/** What a token is bound to. Our redemption context is empty, so that clients can prefetch and store tokens. */
export interface TokenChallenge {
  readonly issuerName: string;
  /** Empty, or 32 bytes. */
  readonly redemptionContext: Buffer;
  readonly originInfo: string;
}

/**
 * RFC 9577 §2.1.1:
 *
 *     struct {
 *         uint16_t token_type;
 *         opaque issuer_name<1..2^16-1>;
 *         opaque redemption_context<0..32>;
 *         opaque origin_info<0..2^16-1>;
 *     } TokenChallenge;
 */
export function buildTokenChallenge({ issuerName, redemptionContext, originInfo }: TokenChallenge): Buffer {
  const issuer = Buffer.from(issuerName, 'utf8');
  const origin = Buffer.from(originInfo, 'utf8');
  if (issuer.length === 0 || issuer.length > 0xffff) throw new RangeError('issuer_name must have 1 to 65535 bytes');
  if (![0, 32].includes(redemptionContext.length)) throw new RangeError('redemption_context must have 0 or 32 bytes');
  if (origin.length > 0xffff) throw new RangeError('origin_info must have at most 65535 bytes');
  return Buffer.concat([
    uint16(blindRsa),
    uint16(issuer.length),
    issuer,
    Buffer.of(redemptionContext.length),
    redemptionContext,
    uint16(origin.length),
    origin,
  ]);
}

/** @returns undefined unless `bytes` is exactly one TokenChallenge of type 0x0002 */
export function parseTokenChallenge(bytes: Buffer): TokenChallenge | undefined {
  let rest = bytes;
  const take = (length: number): Buffer | undefined => {
    if (rest.length < length) return undefined;
    const taken = rest.subarray(0, length);
    rest = rest.subarray(length);
    return taken;
  };
  if (take(2)?.readUInt16BE() !== blindRsa) return undefined;
  const issuer = take(take(2)?.readUInt16BE() ?? Infinity);
  const redemptionContext = take(take(1)?.readUInt8() ?? Infinity);
  const origin = take(take(2)?.readUInt16BE() ?? Infinity);
  if (issuer === undefined || redemptionContext === undefined || origin === undefined || rest.length > 0) {
    return undefined;
  }
  if (issuer.length === 0 || ![0, 32].includes(redemptionContext.length)) return undefined;
  const issuerName = utf8(issuer);
  const originInfo = utf8(origin);
  if (issuerName === undefined || originInfo === undefined) return undefined;
  return { issuerName, redemptionContext, originInfo };
}

/** The challenge that all tokens of this service answer; the same on both sides. */
export function serviceChallenge({ issuerName, originInfo }: Pick<CommonConfig, 'issuerName' | 'originInfo'>): Buffer {
  return buildTokenChallenge({ issuerName, redemptionContext: Buffer.alloc(0), originInfo });
}

/** SHA-256 of the challenge, which each token contains. 32 bytes. */
export function challengeDigest(challenge: Uint8Array): Buffer {
  return createHash('sha256').update(challenge).digest();
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function utf8(bytes: Buffer): string | undefined {
  try {
    // The decoder would drop a leading byte-order mark, and the text would no longer encode to the same bytes.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
