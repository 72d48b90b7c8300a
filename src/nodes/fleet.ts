import { Injectable } from '@nestjs/common';
import { AppError } from '../http/index.js';
import { FleetStore, type NodeReport } from './fleet.store.js';
import { isNodeId } from './node.store.js';
import { nodeRetired } from './node-problems.js';

/** The nodes as the operator sees them. */
@Injectable()
export class Fleet {
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
    throw (await this.exists(id)) ? nodeRetired() : nodeNotFound();
  }

  /**
   * The node is out for good: its connections end and it cannot register again.
   *
   * @throws {AppError} `node_not_found`
   */
  async retire(id: string): Promise<void> {
    if (!isNodeId(id) || !(await this.store.retire(id))) throw nodeNotFound();
  }

  private async exists(id: string): Promise<boolean> {
    return isNodeId(id) && this.store.exists(id);
  }
}

function nodeNotFound(): AppError {
  return new AppError('node_not_found', 'No node has this id. List them with: npm run admin -- nodes list');
}
