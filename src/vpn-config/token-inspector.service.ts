import { createHash, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { tokenHashOf } from '../connection/index.js';
import { VerifierKeysService, type VerifyingKey } from '../crypto/verifier/index.js';
import { type LocationRecord, NodeDirectoryService } from '../nodes/index.js';
import { type ClientKeys, makeClientKeys } from './client-keys.js';
import { type RedemptionRequest } from './redemption.js';
import * as refuse from './redemption-problems.js';
import { TokenChallengeService } from './token-challenge.service.js';

/** A token that was found good, with what is derived from it, and where it is to be spent. */
export interface GoodToken {
  readonly token: Buffer;
  readonly hash: Buffer;
  readonly key: VerifyingKey;
  readonly keys: ClientKeys;
  /** SHA-256(token ‖ public key), which the same client sends again; random bytes when it sent no key. base64url. */
  readonly fingerprint: string;
  /** Known, and offered or not. */
  readonly location: LocationRecord;
}

/** The part of redeeming that changes nothing: whether a token is good. The cheap checks first; no store is asked. */
@Injectable()
export class TokenInspectorService {
  constructor(
    private readonly challenge: TokenChallengeService,
    private readonly keys: VerifierKeysService,
    private readonly directory: NodeDirectoryService,
  ) {}

  /**
   * @throws {AppError} `invalid_request`, `unknown_location`, `token_expired`, `unknown_key`, `invalid_signature`;
   * `unavailable` while the fleet or the issuer's keys are not known well enough to say
   */
  async inspect(request: RedemptionRequest): Promise<GoodToken> {
    // 1. Shape
    const input = this.challenge.read(request.token);
    if (input === undefined) throw refuse.foreignToken();
    const location = this.directory.current().locations.get(request.location);
    if (location === undefined) throw refuse.unknownLocation();
    // 2. Key
    const key = await this.verifyingKey(input.keyId);
    // 3. Signature
    if (!key.verifies(request.token, request.signature)) throw refuse.invalidSignature(this.challenge.headers());
    return goodToken(request, key, location);
  }

  private async verifyingKey(keyId: Buffer): Promise<VerifyingKey> {
    const answer = await this.keys.find(keyId);
    if (answer.status === 'known') return answer.key;
    if (answer.status !== 'unknown') throw refuse.tokenExpired(this.challenge.headers());
    throw answer.stale ? refuse.keysNotKnownYet() : refuse.unknownKey(this.challenge.headers());
  }
}

function goodToken({ token, publicKey }: RedemptionRequest, key: VerifyingKey, location: LocationRecord): GoodToken {
  const hash = tokenHashOf(token);
  const fingerprint =
    publicKey === undefined ? randomBytes(32) : createHash('sha256').update(token).update(publicKey).digest();
  const keys = publicKey === undefined ? makeClientKeys() : { publicKey };
  return { token, hash, key, keys, fingerprint: fingerprint.toString('base64url'), location };
}
