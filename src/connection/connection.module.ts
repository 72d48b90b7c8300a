import { Module } from '@nestjs/common';
import { NodesModule } from '../nodes/index.js';
import { AllocationStore } from './allocation.store.js';
import { ConnectionController } from './connection.controller.js';
import { ConnectionSecrets } from './connection-secrets.js';
import { ConnectionService } from './connection.service.js';
import { ConnectionUpkeep } from './connection-upkeep.js';
import { LifecycleStore } from './lifecycle.store.js';
import { AckWaiter } from './peer-sync/ack-waiter.js';
import { OutboxStore } from './peer-sync/outbox.store.js';
import { PeerFeed } from './peer-sync/peer-feed.js';
import { PeerLists } from './peer-sync/peer-lists.js';
import { PeerSignals } from './peer-sync/peer-signals.js';
import { PeersController } from './peer-sync/peers.controller.js';
import { PeersService } from './peer-sync/peers.service.js';
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
