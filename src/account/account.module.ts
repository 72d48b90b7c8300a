import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { IssuanceModule } from '../auth/issuance/index.js';
import { PushDevicesModule } from '../notifications/devices/index.js';
import { PaymentModule } from '../payment/index.js';
import { every, maintenanceJobs } from '../platform/background/index.js';
import { handles, jobHandlers, userIdOf } from '../platform/jobs/index.js';
import { IdentityMaintenance } from '../prisma/identity/index.js';
import { SubscriptionModule } from '../subscription/index.js';
import { AccountController } from './account.controller.js';
import { AccountStore } from './account.store.js';
import { AccountDeletionService } from './account-deletion.service.js';
import { AccountDeletionStore, deletionTask } from './account-deletion.store.js';
import { AccountExportService } from './account-export.service.js';
import { AccountExportStore } from './account-export.store.js';
import { AccountHistoryService } from './account-history.service.js';
import { AccountHistoryStore } from './account-history.store.js';
import { ProfileService } from './profile.service.js';

const stores = [AccountStore, AccountDeletionStore, AccountExportStore, AccountHistoryStore];

/** Lets users see, export, change and delete their account. */
@Module({
  imports: [AuthModule, SubscriptionModule, PaymentModule, PushDevicesModule, IssuanceModule],
  controllers: [AccountController],
  providers: [
    ...stores,
    AccountDeletionService,
    AccountExportService,
    AccountHistoryService,
    ProfileService,
    ...jobHandlers(
      handles(deletionTask, AccountDeletionService, (deletions, payload, attempt) =>
        deletions.finish(userIdOf(payload), attempt),
      ),
    ),
    ...maintenanceJobs(
      IdentityMaintenance,
      every(600, 'account-deletions-requeue', AccountDeletionService, (deletions) => deletions.requeueMissingJobs()),
      every(3_600, 'account-deletions-purge', AccountDeletionService, (deletions) => deletions.purge()),
    ),
  ],
  exports: [AccountDeletionService, AccountExportService],
})
export class AccountModule {}
