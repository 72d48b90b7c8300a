import { Injectable } from '@nestjs/common';
import { AppError } from '../platform/errors/index.js';
import { type NodeStatus } from '../prisma/network/index.js';
import { FleetStore, type NodeReport } from './fleet.store.js';
import { nodeRetired } from './node-problems.js';
import { isNodeId } from './node.store.js';

/** The nodes as the operator sees them. */
@Injectable()
export class FleetService {
  constructor(private readonly store: FleetStore) {}

  async list(): Promise<NodeReport[]> {
    return this.store.list();
  }

  /**
   * The node gets no new connections and keeps those it has until they end.
   *
   * @throws {AppError} `node_not_found`, `node_retired`
   */
  async drain(id: string): Promise<void> {
    if (isNodeId(id) && (await this.store.drain(id))) return;
    throw (await this.statusOf(id)) === undefined ? nodeNotFound() : nodeRetired();
  }

  /**
   * A draining node serves again, from its next pulse on.
   *
   * @throws {AppError} `node_not_found`, `node_retired`, `node_not_draining`
   */
  async resume(id: string): Promise<void> {
    if (isNodeId(id) && (await this.store.resume(id))) return;
    const status = await this.statusOf(id);
    if (status === undefined) throw nodeNotFound();
    if (status === 'retired') throw nodeRetired();
    throw new AppError('node_not_draining', 'This node does not drain: there is nothing to take back.');
  }

  /**
   * The node is out for good: its connections end and it cannot register again.
   *
   * @throws {AppError} `node_not_found`
   */
  async retire(id: string): Promise<void> {
    if (!isNodeId(id) || !(await this.store.retire(id))) throw nodeNotFound();
  }

  private async statusOf(id: string): Promise<NodeStatus | undefined> {
    return isNodeId(id) ? this.store.statusOf(id) : undefined;
  }
}

function nodeNotFound(): AppError {
  return new AppError('node_not_found', 'No node has this id. List them with: npm run admin -- nodes list');
}
