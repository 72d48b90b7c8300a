import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import {
  ConnectionSecrets,
  dayOf,
  expiryOf,
  type KnownConnection,
  type LiveConnection,
  Placements,
  saltBytes,
  secretHashOf,
  UsageStatistics,
  type WantedConnection,
} from '../connection/index.js';
import { NodeDirectory, type NodeEndpoint } from '../nodes/index.js';
import { Clock } from '../platform/config/index.js';
import { AppError, toAppError } from '../platform/errors/index.js';
import { type ClientKeys } from './client-keys.js';
import * as refuse from './redemption-problems.js';
import { type RedemptionRequest } from './redemption.js';
import { SpentTokensStore } from './spent-tokens.store.js';
import { type GoodToken, TokenInspector } from './token-inspector.js';

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
  constructor(
    private readonly inspector: TokenInspector,
    private readonly spentTokens: SpentTokensStore,
    private readonly placements: Placements,
    private readonly directory: NodeDirectory,
    private readonly secrets: ConnectionSecrets,
    private readonly usage: UsageStatistics,
    private readonly clock: Clock,
  ) {}

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
      redemptions.inc({ outcome: toAppError(error)?.code ?? 'internal_error' });
      throw error;
    }
  }

  private async take(request: RedemptionRequest): Promise<Redemption> {
    // 1. Shape  2. Key  3. Signature
    const good = await this.inspector.inspect(request);
    // 4. Room
    const candidates = this.candidates(request.location);
    const own = candidates.length > 0 ? undefined : await this.findOwn(good);
    if (candidates.length === 0 && own === undefined) throw this.noRoom(request.location);
    // 5. Spend
    const until = new Date(good.key.verifyUntil.getTime() + markMarginMs);
    const mark = await this.spentTokens.mark(good.hash, good.fingerprint, until);
    if (mark === 'another') return this.resume(good, request.location, await this.findOwn(good));
    try {
      if (own !== undefined) return await this.resume(good, request.location, own);
      // 6. Allocate
      return await this.allocate(good, request, candidates);
    } catch (error) {
      // Where a row of ours stands, the mark stays with it. A store that failed may have made one: the row is the lock then.
      if (error instanceof refuse.NothingTaken || !(error instanceof AppError)) {
        await this.spentTokens.unmark(good.hash, good.fingerprint);
      }
      throw error;
    }
  }

  private candidates(locationId: string): NodeEndpoint[] {
    if (this.directory.location(locationId)?.enabled !== true) return [];
    return this.directory.candidates(locationId).filter((node) => node !== undefined);
  }

  private noRoom(locationId: string): AppError {
    return this.directory.location(locationId)?.enabled === true ? refuse.noCapacity() : refuse.unknownLocation();
  }

  /** The connection that this token has bought, if any. */
  private async findOwn({ id, keys }: GoodToken): Promise<KnownConnection | undefined> {
    const known = await this.placements.find(id, keys.publicKey);
    return known?.id === id ? known : undefined;
  }

  private async allocate(
    good: GoodToken,
    request: RedemptionRequest,
    candidates: readonly NodeEndpoint[],
  ): Promise<Redemption> {
    const wanted = this.wanted(good, request);
    for (const node of candidates) {
      const placed = await this.placements.place(wanted, node);
      if (placed !== undefined) {
        const redemption = await this.confirmed(good, request.location, placed);
        this.usage.redeemed(request.location);
        return redemption;
      }
      const known = await this.placements.find(good.id, good.keys.publicKey);
      if (known !== undefined && known.id !== good.id) throw refuse.publicKeyInUse();
      if (known !== undefined) return this.resume(good, request.location, known);
    }
    throw refuse.noCapacity();
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

  /** The token was spent before: the same client gets the same connection, anybody else is refused. */
  private async resume(good: GoodToken, location: string, own: KnownConnection | undefined): Promise<Redemption> {
    if (own === undefined || own.status === 'ended') throw refuse.tokenReused();
    if (!own.publicKey.equals(good.keys.publicKey)) throw refuse.tokenTaken();
    if (own.status === 'ending') throw refuse.tokenReused();
    const node = this.directory.endpoint(own.nodeId);
    if (node !== undefined && node.locationId !== location) throw refuse.locationChanged();
    return this.confirmed(good, location, own);
  }

  // 7. Wait for the node's acknowledgement
  private async confirmed(good: GoodToken, location: string, placed: LiveConnection): Promise<Redemption> {
    const confirmation = await this.placements.confirm(placed, location);
    if (confirmation.is === 'released') throw refuse.noCapacity();
    if (confirmation.is === 'changed') {
      throw confirmation.known.status === 'pending' ? refuse.notInstalledYet() : refuse.tokenReused();
    }
    const { connection } = confirmation;
    // Ours was given up by a retry of ours, and somebody else was quicker than the next one.
    if (!connection.publicKey.equals(good.keys.publicKey)) throw refuse.tokenTaken();
    // Its hour has come, whether the sweep has been there or not.
    if (connection.expiresAt <= this.clock.now()) throw refuse.tokenReused();
    const node = this.directory.endpoint(connection.nodeId);
    const secret = this.secrets.connectionSecret(good.token, connection.secretKeyId);
    if (node === undefined || secret === undefined) throw refuse.notInstalledYet();
    return { connection, node, keys: good.keys, secret };
  }
}
