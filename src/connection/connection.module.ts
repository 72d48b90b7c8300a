import { Module } from '@nestjs/common';
import { NodesModule } from '../nodes/index.js';
import { AckWaiter } from './ack-waiter.js';
import { AllocationStore } from './allocation.store.js';
import { ConnectionController } from './connection.controller.js';
import { ConnectionSecrets } from './connection-secrets.js';
import { ConnectionService } from './connection.service.js';
import { ConnectionUpkeep } from './connection-upkeep.js';
import { LifecycleStore } from './lifecycle.store.js';
import { OutboxStore } from './outbox.store.js';
import { PeerFeed } from './peer-feed.js';
import { PeerLists } from './peer-lists.js';
import { PeerSignals } from './peer-signals.js';
import { PeersController } from './peers.controller.js';
import { PeersService } from './peers.service.js';
import { Placements } from './placements.js';
import { UsageStatistics } from './usage-statistics.js';
import { UsageStore } from './usage.store.js';

@Module({
  imports: [NodesModule],
  controllers: [ConnectionController, PeersController],
  providers: [
    AckWaiter,
    AllocationStore,
    ConnectionSecrets,
    ConnectionService,
    ConnectionUpkeep,
    LifecycleStore,
    OutboxStore,
    PeerFeed,
    PeerLists,
    PeerSignals,
    PeersService,
    Placements,
    UsageStatistics,
    UsageStore,
  ],
  exports: [ConnectionSecrets, ConnectionUpkeep, Placements, UsageStatistics],
})
export class ConnectionModule {}
