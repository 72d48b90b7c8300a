import { Module } from '@nestjs/common';
import { NodesModule } from '../nodes/index.js';
import { every, upkeepJobs } from '../platform/background/index.js';
import { NetworkUpkeep } from '../prisma/network/index.js';
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
    ...upkeepJobs(
      NetworkUpkeep,
      every(10, 'connection-expiry', ConnectionUpkeep, (upkeep) => upkeep.expire()),
      every(15, 'connection-clean-up', ConnectionUpkeep, (upkeep) => upkeep.cleanUp()),
      every(600, 'connection-purge', ConnectionUpkeep, (upkeep) => upkeep.purge()),
      every(600, 'close-usage', UsageStatistics, (usage) => usage.close()),
    ),
  ],
  exports: [ConnectionSecrets, Placements, UsageStatistics],
})
export class ConnectionModule {}
