import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import { NodeDirectoryService, type NodeEndpoint } from '../nodes/index.js';
import { ANONYMIZER_CONFIG, type AnonymizerConfig, Clock } from '../platform/config/index.js';
import { type DnsBlocking } from '../prisma/network/index.js';
import { AllocationStore } from './allocation.store.js';
import { type KnownConnection, type LiveConnection, type WantedConnection } from './connection.js';
import { connectionIdOf, tokenHashOf } from './connection-id.js';
import { ConnectionSecretsService, saltBytes, secretHashOf } from './connection-secrets.service.js';
import { dayOf, expiryOf } from './connection-times.js';
import { type KnownRow, knownRow } from './known-row.js';
import { AckWaiterService } from './peer-sync/ack-waiter.service.js';
import { PeerSignalsService } from './peer-sync/peer-signals.service.js';

const unacknowledged = new Counter({
  name: 'placements_unacknowledged_total',
  help: 'Placements that a node did not acknowledge in time, by what came of them.',
  labelNames: ['outcome'],
});

type Bytes = Buffer<ArrayBuffer>;

/** What a redemption knows of the connection that it asks a place for; the rest of the row is derived. */
export interface PlacementRequest {
  /** 98 bytes: the id comes from it, and the secret that opens the connection. */
  readonly token: Uint8Array;
  /** Of the issuer's key that the token was signed by, 32 bytes: the row is purged once that key has stopped verifying. */
  readonly keyId: Uint8Array;
  /** The client's WireGuard key, 32 bytes. */
  readonly publicKey: Bytes;
  readonly dnsBlocking: DnsBlocking;
}

/** Where a connection stands after the wait for its node. */
export type Confirmation =
  | { readonly is: 'active'; readonly connection: LiveConnection }
  /** No node took it: its row is gone, and the token can be spent again. */
  | { readonly is: 'released' }
  /** Another request for it is at work, or it ended meanwhile: what the database held last. */
  | { readonly is: 'changed'; readonly known: KnownConnection };

/** Gives a connection a place on a node, and answers for it only once the node has it. */
@Injectable()
export class PlacementsService {
  constructor(
    private readonly store: AllocationStore,
    private readonly directory: NodeDirectoryService,
    private readonly waiter: AckWaiterService,
    private readonly signals: PeerSignalsService,
    private readonly secrets: ConnectionSecretsService,
    private readonly clock: Clock,
    @Inject(ANONYMIZER_CONFIG) private readonly config: AnonymizerConfig,
  ) {}

  /** What stands under this token's id, for the client with this public key. */
  async known(token: Uint8Array, publicKey: Uint8Array): Promise<KnownRow> {
    const id = connectionIdOf(tokenHashOf(token));
    return knownRow(await this.store.find(id, publicKey), id, publicKey);
  }

  /** Takes a place on a node; undefined when it has none, or when `known` says what is in the way. */
  async place(request: PlacementRequest, node: NodeEndpoint): Promise<LiveConnection | undefined> {
    const placed = await this.store.allocate(this.wanted(request), node.id, node.capacity);
    if (placed !== undefined) this.directory.noteAllocated(node.id);
    return placed;
  }

  /** Waits for the node's acknowledgement; without it, moves the connection once to another node, then gives it up. */
  async confirm(connection: LiveConnection, locationId: string): Promise<Confirmation> {
    if (await this.isInstalled(connection)) return active(connection);
    const moved = await this.moveOn(connection, locationId);
    if (moved !== undefined && (await this.isInstalled(moved))) {
      unacknowledged.inc({ outcome: 'moved' });
      return active(moved);
    }
    const end = await this.giveUp(moved ?? connection);
    unacknowledged.inc({ outcome: end.is === 'active' ? 'late' : end.is });
    return end;
  }

  private wanted({ token, keyId, publicKey, dnsBlocking }: PlacementRequest): WantedConnection {
    const now = this.clock.now();
    const secretKeyId = this.secrets.currentKeyId;
    const secret = this.secrets.connectionSecret(token, secretKeyId) ?? '';
    return {
      id: connectionIdOf(tokenHashOf(token)),
      keyId: Buffer.from(keyId),
      publicKey,
      salt: randomBytes(saltBytes),
      secretKeyId,
      secretHash: secretHashOf(secret),
      dnsBlocking,
      startedOn: dayOf(now),
      expiresAt: expiryOf(now),
    };
  }

  private async isInstalled(connection: LiveConnection): Promise<boolean> {
    if (connection.status === 'active') return true;
    const status = this.directory.endpoint(connection.nodeId)?.status;
    if (status === 'unhealthy' || status === 'retired') return false;
    const installed = this.waiter.isActiveWithin(this.config.nodeAckTimeoutMs, connection);
    this.signals.nodesChanged(connection.nodeId);
    return installed;
  }

  private async moveOn(connection: LiveConnection, locationId: string): Promise<LiveConnection | undefined> {
    const [other] = this.directory.candidates(locationId, connection.nodeId);
    if (other === undefined) return undefined;
    const moved = await this.store.move(connection, other.id, other.capacity, randomBytes(saltBytes));
    if (moved !== undefined) this.directory.noteAllocated(other.id);
    return moved;
  }

  /** When the row is not ours to release, an acknowledgement or another request was first, or a move found no place. */
  private async giveUp(connection: LiveConnection): Promise<Confirmation> {
    if (await this.store.release(connection)) return { is: 'released' };
    const known = await this.store.find(connection.id, connection.publicKey);
    if (known?.id !== connection.id) return { is: 'released' };
    return known.status === 'active' ? active(known) : { is: 'changed', known };
  }
}

function active(connection: LiveConnection): Confirmation {
  return { is: 'active', connection: { ...connection, status: 'active' } };
}
