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
  help: 'Placements that a node did not acknowledge in time, by outcome.',
  labelNames: ['outcome'],
});

type Bytes = Buffer<ArrayBuffer>;

/** What a redemption provides for a new connection; the other columns are derived. */
export interface PlacementRequest {
  /** 98 bytes. The connection id and the connection secret are derived from it. */
  readonly token: Uint8Array;
  /** Id of the issuer key that signed the token, 32 bytes. The row is purged after that key has expired. */
  readonly keyId: Uint8Array;
  /** The client's WireGuard key, 32 bytes. */
  readonly publicKey: Bytes;
  readonly dnsBlocking: DnsBlocking;
}

/** The result of the wait for the node's acknowledgement. */
export type Confirmation =
  | { readonly outcome: 'active'; readonly connection: LiveConnection }
  /** No node acknowledged it: its row is deleted, and the token can be spent again. */
  | { readonly outcome: 'released' }
  /** Another request is working on the same connection, or it ended meanwhile; `known` is its row. */
  | { readonly outcome: 'changed'; readonly known: KnownConnection };

/** Places connections on nodes, and confirms them once the node has acknowledged the peer. */
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

  /** The state of the token's row, seen from the client with this public key. */
  async findRow(token: Uint8Array, publicKey: Uint8Array): Promise<KnownRow> {
    const id = connectionIdOf(tokenHashOf(token));
    return knownRow(await this.store.find(id, publicKey), id, publicKey);
  }

  /** Allocates a slot on a node; undefined when the node is full, or when another row is in the way: see `findRow`. */
  async place(request: PlacementRequest, node: NodeEndpoint): Promise<LiveConnection | undefined> {
    const placed = await this.store.allocate(this.toConnection(request), node.id, node.capacity);
    if (placed !== undefined) this.directory.countAllocation(node.id);
    return placed;
  }

  /** Waits for the node's acknowledgement. Without it, moves the connection to another node once, then releases it. */
  async confirm(connection: LiveConnection, locationId: string): Promise<Confirmation> {
    if (await this.waitUntilInstalled(connection)) return active(connection);
    const moved = await this.moveToOtherNode(connection, locationId);
    if (moved !== undefined && (await this.waitUntilInstalled(moved))) {
      unacknowledged.inc({ outcome: 'moved' });
      return active(moved);
    }
    const confirmation = await this.release(moved ?? connection);
    unacknowledged.inc({ outcome: confirmation.outcome === 'active' ? 'late' : confirmation.outcome });
    return confirmation;
  }

  private toConnection({ token, keyId, publicKey, dnsBlocking }: PlacementRequest): WantedConnection {
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

  private async waitUntilInstalled(connection: LiveConnection): Promise<boolean> {
    if (connection.status === 'active') return true;
    const status = this.directory.endpoint(connection.nodeId)?.status;
    if (status === 'unhealthy' || status === 'retired') return false;
    const installed = this.waiter.isActiveWithin(this.config.nodeAckTimeoutMs, connection);
    this.signals.nodesChanged(connection.nodeId);
    return installed;
  }

  private async moveToOtherNode(connection: LiveConnection, locationId: string): Promise<LiveConnection | undefined> {
    const [other] = this.directory.candidates(locationId, connection.nodeId);
    if (other === undefined) return undefined;
    const moved = await this.store.move(connection, other.id, other.capacity, randomBytes(saltBytes));
    if (moved !== undefined) this.directory.countAllocation(other.id);
    return moved;
  }

  /** When there is no pending row to delete, an acknowledgement or another request was faster, or the other node was full. */
  private async release(connection: LiveConnection): Promise<Confirmation> {
    if (await this.store.release(connection)) return { outcome: 'released' };
    const known = await this.store.find(connection.id, connection.publicKey);
    if (known?.id !== connection.id) return { outcome: 'released' };
    return known.status === 'active' ? active(known) : { outcome: 'changed', known };
  }
}

function active(connection: LiveConnection): Confirmation {
  return { outcome: 'active', connection: { ...connection, status: 'active' } };
}
