import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import { ANONYMIZER_CONFIG, type AnonymizerConfig } from '../platform/config/index.js';
import { NodeDirectory, type NodeEndpoint } from '../nodes/index.js';
import { AckWaiter } from './peer-sync/ack-waiter.js';
import { AllocationStore } from './allocation.store.js';
import { type KnownConnection, type LiveConnection, type WantedConnection } from './connection.js';
import { saltBytes } from './connection-secrets.js';
import { PeerSignals } from './peer-sync/peer-signals.js';

const unacknowledged = new Counter({
  name: 'placements_unacknowledged_total',
  help: 'Placements that a node did not acknowledge in time, by what came of them.',
  labelNames: ['outcome'],
});

/** Where a connection stands after the wait for its node. */
export type Confirmation =
  | { readonly is: 'active'; readonly connection: LiveConnection }
  /** No node took it: its row is gone, and the token can be spent again. */
  | { readonly is: 'released' }
  /** Another request for it is at work, or it ended meanwhile: what the database held last. */
  | { readonly is: 'changed'; readonly known: KnownConnection };

/** Gives a connection a place on a node, and answers for it only once the node has it. */
@Injectable()
export class Placements {
  constructor(
    private readonly store: AllocationStore,
    private readonly directory: NodeDirectory,
    private readonly waiter: AckWaiter,
    private readonly signals: PeerSignals,
    @Inject(ANONYMIZER_CONFIG) private readonly config: AnonymizerConfig,
  ) {}

  /** Takes a place on a node; undefined when it has none, or when `find` finds what is in the way. */
  async place(wanted: WantedConnection, node: NodeEndpoint): Promise<LiveConnection | undefined> {
    const placed = await this.store.allocate(wanted, node.id, node.capacity);
    if (placed !== undefined) this.directory.noteAllocated(node.id);
    return placed;
  }

  /** The connection with this id, else the one with this public key. */
  async find(id: string, publicKey: Uint8Array): Promise<KnownConnection | undefined> {
    return this.store.find(id, publicKey);
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
