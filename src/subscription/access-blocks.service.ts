import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/config/index.js';
import { AccessBlocksStore, type DisputeBlock } from './access-blocks.store.js';

/** Blocks that take a user's access away, whatever they have paid. */
@Injectable()
export class AccessBlocksService {
  constructor(
    private readonly store: AccessBlocksStore,
    private readonly clock: Clock,
  ) {}

  /** Blocks a user while a dispute is open or lost, and lifts the block otherwise. @returns whether that changed anything */
  async recordDispute(dispute: Omit<DisputeBlock, 'today'>): Promise<boolean> {
    return this.store.recordDispute({ ...dispute, today: this.clock.now() });
  }
}
