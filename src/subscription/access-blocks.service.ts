import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/config/index.js';
import { AccessBlocksStore, type DisputeBlock } from './access-blocks.store.js';

/** What takes access away whatever was paid. */
@Injectable()
export class AccessBlocksService {
  constructor(
    private readonly store: AccessBlocksStore,
    private readonly clock: Clock,
  ) {}

  /** Blocks a person for as long as a dispute stands against us. @returns whether that is new */
  async recordDispute(dispute: Omit<DisputeBlock, 'today'>): Promise<boolean> {
    return this.store.recordDispute({ ...dispute, today: this.clock.now() });
  }
}
