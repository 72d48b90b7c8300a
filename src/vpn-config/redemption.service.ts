import { Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import {
  ConnectionSecretsService,
  type KnownRow,
  type LiveConnection,
  PlacementsService,
  UsageStatisticsService,
} from '../connection/index.js';
import { NodeDirectoryService, type NodeEndpoint } from '../nodes/index.js';
import { Clock } from '../platform/config/index.js';
import { AppError, toAppError } from '../platform/errors/index.js';
import { type DnsBlocking } from '../prisma/network/index.js';
import { type ClientKeys } from './client-keys.js';
import * as refuse from './redemption-problems.js';
import { type RedemptionRequest } from './redemption.js';
import { type Mark, SpentTokensStore } from './spent-tokens.store.js';
import { type GoodToken, TokenInspectorService } from './token-inspector.service.js';

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
  /** Opens the connection's status, and ends it. */
  readonly secret: string;
  /** 32 bytes. */
  readonly presharedKey: Buffer;
}

/** One request on its way through steps 6 and 7, with what the steps before have found. */
interface Attempt {
  readonly good: GoodToken;
  readonly dnsBlocking: DnsBlocking;
  readonly mark: Mark;
  /** Nodes with room that were not tried yet. */
  readonly candidates: readonly NodeEndpoint[];
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
 * Only an active row, one whose node has said that it has the peer, is answered. What is known of a token's row decides in
 * one place, `settle`, which is the table of docs/redemption.md in its order and its words.
 */
@Injectable()
export class RedemptionService {
  constructor(
    private readonly inspector: TokenInspectorService,
    private readonly spentTokens: SpentTokensStore,
    private readonly placements: PlacementsService,
    private readonly directory: NodeDirectoryService,
    private readonly secrets: ConnectionSecretsService,
    private readonly usage: UsageStatisticsService,
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
    const candidates = this.candidates(good);
    const row = candidates.length > 0 ? undefined : await this.known(good);
    if (row?.is === 'none' || row?.is === 'none, key in use') throw noRoom(good);
    // 5. Spend
    const until = new Date(good.key.verifyUntil.getTime() + markMarginMs);
    const mark = await this.spentTokens.mark(good.hash, good.fingerprint, until);
    const attempt: Attempt = { good, dnsBlocking: request.dnsBlocking, mark, candidates };
    if (mark === 'another') return this.settle(attempt, await this.known(good));
    try {
      // Where there is room, no row was looked for: the INSERT finds it.
      return await this.settle(attempt, row ?? { is: 'none' });
    } catch (error) {
      // Where a row of ours stands, the mark stays with it. A store that failed may have made one: the row is the lock then.
      if (error instanceof refuse.NothingTaken || !(error instanceof AppError)) {
        await this.spentTokens.unmark(good.hash, good.fingerprint);
      }
      throw error;
    }
  }

  /** The table of docs/redemption.md: what follows from what is known of this token's row. */
  private async settle(attempt: Attempt, row: KnownRow): Promise<Redemption> {
    switch (row.is) {
      case 'none':
        if (attempt.mark === 'another') throw refuse.tokenReused();
        return this.allocate(attempt);
      case 'none, key in use':
        throw attempt.mark === 'another' ? refuse.tokenReused() : refuse.publicKeyInUse();
      case 'own, pending':
      case 'own, active':
        return this.resume(attempt, row.connection);
      case 'own, ending':
        throw refuse.tokenReused();
      case 'foreign, pending':
      case 'foreign, active':
      case 'foreign, ending':
        throw refuse.tokenTaken();
      case 'ended':
        throw refuse.tokenReused();
    }
  }

  /** 6. Allocate: the next candidate takes the connection, or a row is in the way, or it is full as well. */
  private async allocate(attempt: Attempt): Promise<Redemption> {
    const { good, dnsBlocking } = attempt;
    const [node, ...candidates] = attempt.candidates;
    if (node === undefined) throw refuse.noCapacity();
    const { token, key, keys } = good;
    const { keyId } = key;
    const placed = await this.placements.place({ token, keyId, publicKey: keys.publicKey, dnsBlocking }, node);
    if (placed === undefined) return this.settle({ ...attempt, candidates }, await this.known(good));
    const redemption = await this.confirmed(good, placed);
    this.usage.redeemed(good.location.id);
    return redemption;
  }

  /** The same client again: the same connection, at the same location. */
  private async resume({ good }: Attempt, connection: LiveConnection): Promise<Redemption> {
    const node = this.directory.endpoint(connection.nodeId);
    if (node !== undefined && node.locationId !== good.location.id) throw refuse.locationChanged();
    return this.confirmed(good, connection);
  }

  /** 7. Wait for the node's acknowledgement, and answer for what is active then. */
  private async confirmed(good: GoodToken, placed: LiveConnection): Promise<Redemption> {
    const confirmation = await this.placements.confirm(placed, good.location.id);
    if (confirmation.is === 'released') throw refuse.noCapacity();
    if (confirmation.is === 'changed') {
      throw confirmation.known.status === 'pending' ? refuse.notInstalledYet() : refuse.tokenReused();
    }
    const { connection } = confirmation;
    // Ours was given up by a retry of ours, and somebody else was quicker than the next one.
    if (!connection.publicKey.equals(good.keys.publicKey)) throw refuse.tokenTaken();
    // Its hour has come, whether the sweep has been there or not.
    if (connection.expiresAt <= this.clock.now()) throw refuse.tokenReused();
    const { id, nodeId, salt, secretKeyId } = connection;
    const node = this.directory.endpoint(nodeId);
    const secret = this.secrets.connectionSecret(good.token, secretKeyId);
    const presharedKey = this.secrets.presharedKey(id, salt, secretKeyId);
    if (node === undefined || secret === undefined || presharedKey === undefined) throw refuse.notInstalledYet();
    return { connection, node, keys: good.keys, secret, presharedKey };
  }

  /** Nodes with room, at a location that is offered. */
  private candidates({ location }: GoodToken): NodeEndpoint[] {
    if (!location.enabled) return [];
    return this.directory.candidates(location.id).filter((node) => node !== undefined);
  }

  private async known({ token, keys }: GoodToken): Promise<KnownRow> {
    return this.placements.known(token, keys.publicKey);
  }
}

function noRoom({ location }: GoodToken): AppError {
  return location.enabled ? refuse.noCapacity() : refuse.unknownLocation();
}
