import { Module } from '@nestjs/common';
import { NodesModule } from '../nodes/index.js';
import { every, maintenanceJobs } from '../platform/background/index.js';
import { NetworkMaintenance } from '../prisma/network/index.js';
import { AllocationStore } from './allocation.store.js';
import { ConnectionController } from './connection.controller.js';
import { ConnectionSecretsService } from './connection-secrets.service.js';
import { ConnectionService } from './connection.service.js';
import { ConnectionMaintenanceService } from './connection-maintenance.service.js';
import { LifecycleStore } from './lifecycle.store.js';
import { AckWaiterService } from './peer-sync/ack-waiter.service.js';
import { OutboxStore } from './peer-sync/outbox.store.js';
import { PeerFeedService } from './peer-sync/peer-feed.service.js';
import { PeerListsService } from './peer-sync/peer-lists.service.js';
import { PeerSignalsService } from './peer-sync/peer-signals.service.js';
import { PeersController } from './peer-sync/peers.controller.js';
import { PeersService } from './peer-sync/peers.service.js';
import { PlacementsService } from './placements.service.js';
import { UsageStatisticsService } from './usage-statistics.service.js';
import { UsageStore } from './usage.store.js';

@Module({
  imports: [NodesModule],
  controllers: [ConnectionController, PeersController],
  providers: [
    AckWaiterService,
    AllocationStore,
    ConnectionSecretsService,
    ConnectionService,
    ConnectionMaintenanceService,
    LifecycleStore,
    OutboxStore,
    PeerFeedService,
    PeerListsService,
    PeerSignalsService,
    PeersService,
    PlacementsService,
    UsageStatisticsService,
    UsageStore,
    ...maintenanceJobs(
      NetworkMaintenance,
      every(10, 'connection-expiry', ConnectionMaintenanceService, (maintenance) => maintenance.expire()),
      every(15, 'connection-clean-up', ConnectionMaintenanceService, (maintenance) => maintenance.cleanUp()),
      every(600, 'connection-purge', ConnectionMaintenanceService, (maintenance) => maintenance.purge()),
      every(600, 'close-usage', UsageStatisticsService, (usage) => usage.closeDays()),
    ),
  ],
  exports: [ConnectionSecretsService, PlacementsService, UsageStatisticsService],
})
export class ConnectionModule {}
