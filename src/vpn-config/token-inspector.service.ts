import { createHash, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { tokenHashOf } from '../connection/index.js';
import { VerifierKeysService, type VerifyingKey } from '../crypto/verifier/index.js';
import { type LocationRecord, NodeDirectoryService } from '../nodes/index.js';
import { type ClientKeys, makeClientKeys } from './client-keys.js';
import { type RedemptionRequest } from './redemption.js';
import * as refuse from './redemption-problems.js';
import { TokenChallengeService } from './token-challenge.service.js';

/** A token whose signature is verified, with values derived from it and the requested location. */
export interface VerifiedToken {
  readonly token: Buffer;
  readonly hash: Buffer;
  readonly key: VerifyingKey;
  readonly keys: ClientKeys;
  /** base64url of SHA-256(token ‖ public key), which a retry has too; random when the client sent no key. */
  readonly fingerprint: string;
  /** Exists, but may be disabled. */
  readonly location: LocationRecord;
}

/**
 * Checks a token without spending it. Cheap checks come first. It reads no store, unless the key id is unknown: then the issuer
 * directory is read again, and its keys are stored.
 */
@Injectable()
export class TokenInspectorService {
  constructor(
    private readonly challenge: TokenChallengeService,
    private readonly keys: VerifierKeysService,
    private readonly directory: NodeDirectoryService,
  ) {}

  /**
   * @throws {AppError} `invalid_request`, `unknown_location`, `token_expired`, `unknown_key`, `invalid_signature`;
   * `unavailable` while the list of locations or of issuer keys is missing or out of date
   */
  async inspect(request: RedemptionRequest): Promise<VerifiedToken> {
    // 1. Shape
    const input = this.challenge.parse(request.token);
    if (input === undefined) throw refuse.tokenNotForThisService();
    const location = this.directory.current().locations.get(request.location);
    if (location === undefined) throw refuse.unknownLocation();
    // 2. Key
    const key = await this.verifyingKey(input.keyId);
    // 3. Signature
    if (!key.verifies(request.token, request.signature)) throw refuse.invalidSignature(this.challenge.headers());
    return verifiedToken(request, key, location);
  }

  private async verifyingKey(keyId: Buffer): Promise<VerifyingKey> {
    const answer = await this.keys.find(keyId);
    if (answer.status === 'known') return answer.key;
    if (answer.status !== 'unknown') throw refuse.tokenExpired(this.challenge.headers());
    throw answer.stale ? refuse.issuerKeysStale() : refuse.unknownKey(this.challenge.headers());
  }
}

function verifiedToken(
  { token, publicKey }: RedemptionRequest,
  key: VerifyingKey,
  location: LocationRecord,
): VerifiedToken {
  const hash = tokenHashOf(token);
  const fingerprint =
    publicKey === undefined ? randomBytes(32) : createHash('sha256').update(token).update(publicKey).digest();
  const keys = publicKey === undefined ? makeClientKeys() : { publicKey };
  return { token, hash, key, keys, fingerprint: fingerprint.toString('base64url'), location };
}
