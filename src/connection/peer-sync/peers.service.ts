import { Injectable } from '@nestjs/common';
import { type Placement } from '../connection.js';
import { OutboxStore } from './outbox.store.js';
import { PeerSignalsService } from './peer-signals.service.js';
import { type Acknowledgements } from './peers.schema.js';

/** Processes the acknowledgements of nodes. */
@Injectable()
export class PeersService {
  constructor(
    private readonly outbox: OutboxStore,
    private readonly signals: PeerSignalsService,
  ) {}

  async acknowledge(nodeId: string, { added, removed }: Acknowledgements): Promise<{ added: number; removed: number }> {
    const active = await this.outbox.acknowledgeAdded(nodeId, added.map(toPlacement));
    this.signals.nowActive(active);
    return { added: active.length, removed: await this.outbox.acknowledgeRemoved(nodeId, removed.map(toPlacement)) };
  }
}

function toPlacement({ connection_id, revision }: Acknowledgements['added'][number]): Placement {
  return { id: connection_id, revision };
}
