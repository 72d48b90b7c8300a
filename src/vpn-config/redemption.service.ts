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
import { type MarkState, SpentTokensStore } from './spent-tokens.store.js';
import { type VerifiedToken, TokenInspectorService } from './token-inspector.service.js';

/** A mark expires an hour after its key, in case a clock runs behind. */
const markMarginMs = 3_600_000;

const redemptions = new Counter({
  name: 'redemptions_total',
  help: 'Redemptions by outcome: "ok", or the problem code.',
  labelNames: ['outcome'],
});

/** An active connection, with everything that its client needs to use it. */
export interface Redemption {
  readonly connection: LiveConnection;
  readonly node: NodeEndpoint;
  readonly keys: ClientKeys;
  /** Lets the client read the connection's status, and end it. */
  readonly secret: string;
  /** 32 bytes. */
  readonly presharedKey: Buffer;
}

/** What steps 1 to 5 have found; the input of steps 6 and 7. */
interface RedemptionAttempt {
  readonly verified: VerifiedToken;
  readonly dnsBlocking: DnsBlocking;
  readonly mark: MarkState;
  /** Nodes with room that this request has not tried yet. */
  readonly candidates: readonly NodeEndpoint[];
}

/**
 * Redeems a token for a connection. A token never gives two connections. If the client sends a public key, a token is never
 * lost without giving one.
 *
 * Two locks protect a token. The mark in Redis is fast and refuses most double spends before they cost anything. The row in
 * PostgreSQL has a primary key that is derived from the token's hash, and it decides: it survives a Redis that is flushed,
 * restarted or failed over, and is enough while Redis is down. When we cannot know whether the mark is set, for example
 * after a time-out, the row decides.
 *
 * The mark holds a fingerprint of the token and the public key. When the same client retries, whatever was lost before, it
 * finds its own mark and its own row and gets the same connection. Another client is refused. When no row was inserted, or
 * the row was deleted again, we remove the mark too. A process killed in between leaves a mark, which still lets the same
 * client retry.
 *
 * Only an active row is answered with a connection: its node has acknowledged the peer. `decideByRow` alone decides what
 * follows from a token's row. It is the table of docs/redemption.md, in the same order and with the same terms.
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
      const redemption = await this.spend(request);
      redemptions.inc({ outcome: 'ok' });
      return redemption;
    } catch (error) {
      redemptions.inc({ outcome: toAppError(error)?.code ?? 'internal_error' });
      throw error;
    }
  }

  private async spend(request: RedemptionRequest): Promise<Redemption> {
    // 1. Shape  2. Key  3. Signature
    const verified = await this.inspector.inspect(request);
    // 4. Room
    const candidates = this.candidates(verified);
    const row = candidates.length > 0 ? undefined : await this.findRow(verified);
    if (row?.state === 'none' || row?.state === 'none, key in use') throw noRoom(verified);
    // 5. Spend
    const until = new Date(verified.key.verifyUntil.getTime() + markMarginMs);
    const mark = await this.spentTokens.mark(verified.hash, verified.fingerprint, until);
    const attempt: RedemptionAttempt = { verified, dnsBlocking: request.dnsBlocking, mark, candidates };
    if (mark === 'another') return this.decideByRow(attempt, await this.findRow(verified));
    try {
      // When a node has room, we did not look for a row: the INSERT finds it.
      return await this.decideByRow(attempt, row ?? { state: 'none' });
    } catch (error) {
      // The mark stays while our row exists. After a database error a row may exist, but then the row itself is the lock.
      if (error instanceof refuse.MarkReleasingRefusal || !(error instanceof AppError)) {
        await this.spentTokens.unmark(verified.hash, verified.fingerprint);
      }
      throw error;
    }
  }

  /** The table of docs/redemption.md: decides what follows from this token's row. */
  private async decideByRow(attempt: RedemptionAttempt, row: KnownRow): Promise<Redemption> {
    switch (row.state) {
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
        throw refuse.tokenSpentByAnotherClient();
      case 'ended':
        throw refuse.tokenReused();
    }
  }

  /** 6. Allocate: tries the next candidate. When that fails, another row is in the way or the node is full. */
  private async allocate(attempt: RedemptionAttempt): Promise<Redemption> {
    const { verified, dnsBlocking } = attempt;
    const [node, ...candidates] = attempt.candidates;
    if (node === undefined) throw refuse.noCapacity();
    const { token, key, keys } = verified;
    const { keyId } = key;
    const placed = await this.placements.place({ token, keyId, publicKey: keys.publicKey, dnsBlocking }, node);
    if (placed === undefined) return this.decideByRow({ ...attempt, candidates }, await this.findRow(verified));
    const redemption = await this.waitForNode(verified, placed);
    this.usage.recordRedemption(verified.location.id);
    return redemption;
  }

  /** A retry of the same client: it gets the same connection, at the same location only. */
  private async resume({ verified }: RedemptionAttempt, connection: LiveConnection): Promise<Redemption> {
    const node = this.directory.endpoint(connection.nodeId);
    if (node !== undefined && node.locationId !== verified.location.id) throw refuse.locationChanged();
    return this.waitForNode(verified, connection);
  }

  /** 7. Wait for the node's acknowledgement. Only an active connection is returned. */
  private async waitForNode(verified: VerifiedToken, placed: LiveConnection): Promise<Redemption> {
    const confirmation = await this.placements.confirm(placed, verified.location.id);
    if (confirmation.outcome === 'released') throw refuse.noCapacity();
    if (confirmation.outcome === 'changed') {
      throw confirmation.known.status === 'pending' ? refuse.connectionNotReady() : refuse.tokenReused();
    }
    const { connection } = confirmation;
    // A retry of this client released our row, and another client spent the token before we did.
    if (!connection.publicKey.equals(verified.keys.publicKey)) throw refuse.tokenSpentByAnotherClient();
    // It has expired, even if the maintenance job has not ended it yet.
    if (connection.expiresAt <= this.clock.now()) throw refuse.tokenReused();
    const { id, nodeId, salt, secretKeyId } = connection;
    const node = this.directory.endpoint(nodeId);
    const secret = this.secrets.connectionSecret(verified.token, secretKeyId);
    const presharedKey = this.secrets.presharedKey(id, salt, secretKeyId);
    if (node === undefined || secret === undefined || presharedKey === undefined) throw refuse.connectionNotReady();
    return { connection, node, keys: verified.keys, secret, presharedKey };
  }

  /** Nodes with room at an enabled location. */
  private candidates({ location }: VerifiedToken): NodeEndpoint[] {
    if (!location.enabled) return [];
    return this.directory.candidates(location.id).filter((node) => node !== undefined);
  }

  private async findRow({ token, keys }: VerifiedToken): Promise<KnownRow> {
    return this.placements.findRow(token, keys.publicKey);
  }
}

function noRoom({ location }: VerifiedToken): AppError {
  return location.enabled ? refuse.noCapacity() : refuse.unknownLocation();
}
