import { Injectable } from '@nestjs/common';
import { AppError } from '../platform/errors/index.js';
import { type NodeStatus } from '../prisma/network/index.js';
import { FleetStore, type NodeReport } from './fleet.store.js';
import { nodeRetired } from './node-problems.js';
import { isNodeId } from './node.store.js';

/** Lists, drains, resumes and retires nodes; used by the operator. */
@Injectable()
export class FleetService {
  constructor(private readonly store: FleetStore) {}

  async list(): Promise<NodeReport[]> {
    return this.store.list();
  }

  /**
   * Drains a node: it gets no new connections, and keeps its connections until they end.
   *
   * @throws {AppError} `node_not_found`, `node_retired`
   */
  async drain(id: string): Promise<void> {
    if (isNodeId(id) && (await this.store.drain(id))) return;
    throw (await this.statusOf(id)) === undefined ? nodeNotFound() : nodeRetired();
  }

  /**
   * Ends draining: the node gets connections again after its next pulse.
   *
   * @throws {AppError} `node_not_found`, `node_retired`, `node_not_draining`
   */
  async resume(id: string): Promise<void> {
    if (isNodeId(id) && (await this.store.resume(id))) return;
    const status = await this.statusOf(id);
    if (status === undefined) throw nodeNotFound();
    if (status === 'retired') throw nodeRetired();
    throw new AppError('node_not_draining', 'This node is not draining, so there is nothing to resume.');
  }

  /**
   * Retires a node permanently: its connections end. Its key is refused while the row exists: until 30 days after the last pulse.
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
  return new AppError('node_not_found', 'No node has this id. List the nodes with: npm run admin -- nodes list');
}
