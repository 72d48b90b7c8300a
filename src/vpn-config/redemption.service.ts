import { createHash, randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import { Clock, COMMON_CONFIG, type CommonConfig } from '../config/index.js';
import {
  ConnectionSecrets,
  connectionIdOf,
  dayOf,
  expiryOf,
  type KnownConnection,
  type LiveConnection,
  Placements,
  saltBytes,
  secretHashOf,
  tokenHashOf,
  UsageStatistics,
  type WantedConnection,
} from '../connection/index.js';
import { challengeDigest, parseTokenInput, serviceChallenge } from '../crypto/index.js';
import { VerifierKeysService, type VerifyingKey } from '../crypto/verifier/index.js';
import { AppError } from '../http/index.js';
import { NodeDirectory, type NodeEndpoint } from '../nodes/index.js';
import { type ClientKeys, makeClientKeys } from './client-keys.js';
import { type RedemptionRequest } from './redemption.js';
import * as refuse from './redemption-problems.js';
import { SpentTokensStore } from './spent-tokens.store.js';

/** A mark outlives its key by an hour, for clocks that run behind. */
const markMarginMs = 3_600_000;

const redemptions = new Counter({
  name: 'redemptions_total',
  help: 'Redemptions by outcome: "ok", or the code of the problem.',
  labelNames: ['outcome'],
});

/** A connection that stands, with what is needed to describe it to its client. */
export interface Redemption {
  readonly connection: LiveConnection;
  readonly node: NodeEndpoint;
  readonly keys: ClientKeys;
  readonly secret: string;
}

/** A token that was found good, with everything that is derived from it. */
interface GoodToken {
  readonly token: Buffer;
  readonly hash: Buffer;
  readonly id: string;
  readonly key: VerifyingKey;
  readonly keys: ClientKeys;
  readonly fingerprint: string;
}

/**
 * Redeeming: a token from nobody in particular becomes one connection, never two, and is never burnt for nothing.
 *
 * Two locks stand on a token. The mark in Redis is fast and refuses most second spends before they cost anything. The row in
 * PostgreSQL, whose primary key is derived from the token's hash, is the one that holds: it survives a Redis that was
 * flushed, restarted or failed over, and while Redis is away it stands alone. So every doubt about the mark (a time-out
 * after which it may be set or not) is settled by the row.
 *
 * The mark carries a fingerprint of token and public key. The same client that comes again, after whatever was lost on the
 * way, finds its own mark and its own row, and gets the same connection; anybody else is refused. Whenever no row was made,
 * or it was taken back, the mark goes as well; a kill in between leaves a mark that lets the same client through.
 *
 * Only an active row, one whose node has said that it has the peer, is answered. docs/redemption.md has the table of cases.
 */
@Injectable()
export class RedemptionService {
  private readonly challengeDigest: Buffer;

  constructor(
    private readonly verifierKeys: VerifierKeysService,
    private readonly spentTokens: SpentTokensStore,
    private readonly placements: Placements,
    private readonly directory: NodeDirectory,
    private readonly secrets: ConnectionSecrets,
    private readonly usage: UsageStatistics,
    private readonly clock: Clock,
    @Inject(COMMON_CONFIG) config: CommonConfig,
  ) {
    this.challengeDigest = challengeDigest(serviceChallenge(config));
  }

  /**
   * @throws {AppError} `invalid_request`, `unknown_location`, `token_expired`, `unknown_key`, `invalid_signature`,
   * `no_capacity`, `token_reused`, `location_changed`, `public_key_in_use`, `unavailable`
   */
  async redeem(request: RedemptionRequest): Promise<Redemption> {
    try {
      const redemption = await this.take(request);
      redemptions.inc({ outcome: 'ok' });
      return redemption;
    } catch (error) {
      redemptions.inc({ outcome: error instanceof AppError ? error.code : 'unavailable' });
      throw error;
    }
  }

  private async take(request: RedemptionRequest): Promise<Redemption> {
    // 1. Shape
    const input = parseTokenInput(request.token);
    if (input === undefined || !input.challengeDigest.equals(this.challengeDigest)) throw refuse.foreignToken();
    if (this.directory.location(request.location) === undefined) throw refuse.unknownLocation();
    // 2. Key
    const key = await this.verifyingKey(input.keyId);
    // 3. Signature
    if (!key.verifies(request.token, request.signature)) throw refuse.invalidSignature();
    const good = goodToken(request, key);
    // 4. Room
    const candidates = this.candidates(request.location);
    if (candidates.length === 0 && (await this.placements.find(good.id, good.keys.publicKey))?.id !== good.id) {
      throw refuse.noCapacity();
    }
    // 5. Spend
    const until = new Date(key.verifyUntil.getTime() + markMarginMs);
    const mark = await this.spentTokens.mark(good.hash, good.fingerprint, until);
    if (mark === 'another') return this.resume(good, request, await this.placements.find(good.id, good.keys.publicKey));
    // 6. Allocate
    return this.unmarkingOnFailure(good, async () => {
      const wanted = this.wanted(good, request);
      for (const node of candidates) {
        const placed = await this.placements.place(wanted, node);
        // 7. Wait for the node's acknowledgement
        if (placed !== undefined) return this.confirmed(good, request.location, placed);
        const known = await this.placements.find(good.id, good.keys.publicKey);
        if (known !== undefined) return this.resume(good, request, known);
      }
      const known = await this.placements.find(good.id, good.keys.publicKey);
      if (known !== undefined) return this.resume(good, request, known);
      throw refuse.noCapacity();
    });
  }

  /** An error leaves no mark behind: where there is a row, the row is the lock, and where there is none, the token is free. */
  private async unmarkingOnFailure<T>(good: GoodToken, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await this.spentTokens.unmark(good.hash, good.fingerprint);
      throw error;
    }
  }

  private async verifyingKey(keyId: Buffer): Promise<VerifyingKey> {
    const answer = await this.verifierKeys.find(keyId);
    if (answer.status === 'known') return answer.key;
    if (answer.status === 'unknown') throw answer.stale ? refuse.keysNotKnownYet() : refuse.unknownKey();
    throw refuse.tokenExpired();
  }

  private candidates(locationId: string): NodeEndpoint[] {
    if (this.directory.location(locationId)?.enabled !== true) return [];
    return this.directory.candidates(locationId).filter((node) => node !== undefined);
  }

  private wanted({ token, id, key, keys }: GoodToken, { dnsBlocking }: RedemptionRequest): WantedConnection {
    const now = this.clock.now();
    const secretKeyId = this.secrets.currentKeyId;
    const secret = this.secrets.connectionSecret(token, secretKeyId) ?? '';
    return {
      id,
      keyId: Buffer.from(key.keyId),
      publicKey: keys.publicKey,
      salt: randomBytes(saltBytes),
      secretKeyId,
      secretHash: secretHashOf(secret),
      dnsBlocking,
      startedOn: dayOf(now),
      expiresAt: expiryOf(now),
    };
  }

  /** What is in the way: our own connection, to be answered again, or a reason to refuse. */
  private async resume(
    good: GoodToken,
    request: RedemptionRequest,
    known: KnownConnection | undefined,
  ): Promise<Redemption> {
    if (known === undefined) throw refuse.tokenReused();
    if (known.id !== good.id) throw refuse.publicKeyInUse();
    const isOurs =
      request.publicKey !== undefined && known.status !== 'ended' && known.publicKey.equals(request.publicKey);
    if (!isOurs || known.status === 'ending') throw refuse.tokenReused();
    const node = this.directory.endpoint(known.nodeId);
    if (node !== undefined && node.locationId !== request.location) throw refuse.locationChanged();
    return this.confirmed(good, request.location, known);
  }

  private async confirmed(good: GoodToken, location: string, placed: LiveConnection): Promise<Redemption> {
    const confirmation = await this.placements.confirm(placed, location);
    if (confirmation.is === 'released') throw refuse.noCapacity();
    if (confirmation.is === 'changed') {
      throw confirmation.known.status === 'pending' ? refuse.notInstalledYet() : refuse.tokenReused();
    }
    const { connection } = confirmation;
    const node = this.directory.endpoint(connection.nodeId);
    const secret = this.secrets.connectionSecret(good.token, connection.secretKeyId);
    if (node === undefined || secret === undefined) throw refuse.notInstalledYet();
    if (placed.status === 'pending') this.usage.redeemed(location);
    return { connection, node, keys: good.keys, secret };
  }
}

function goodToken({ token, publicKey }: RedemptionRequest, key: VerifyingKey): GoodToken {
  const hash = tokenHashOf(token);
  const fingerprint =
    publicKey === undefined ? randomBytes(32) : createHash('sha256').update(token).update(publicKey).digest();
  const keys = publicKey === undefined ? makeClientKeys() : { publicKey };
  return { token, hash, id: connectionIdOf(hash), key, keys, fingerprint: fingerprint.toString('base64url') };
}
