import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { IssuanceModule } from '../auth/issuance/index.js';
import { PushDevicesModule } from '../notifications/devices/index.js';
import { PaymentModule } from '../payment/index.js';
import { every, upkeepJobs } from '../platform/background/index.js';
import { handles, jobHandlers, personOf } from '../platform/jobs/index.js';
import { IdentityUpkeep } from '../prisma/identity/index.js';
import { SubscriptionModule } from '../subscription/index.js';
import { AccountController } from './account.controller.js';
import { AccountStore } from './account.store.js';
import { AccountDeletions } from './deletion.service.js';
import { DeletionStore, deletionTask } from './deletion.store.js';
import { AccountExports } from './export.service.js';
import { ExportStore } from './export.store.js';
import { AccountHistories } from './history.service.js';
import { HistoryStore } from './history.store.js';
import { Profiles } from './profile.service.js';

const stores = [AccountStore, DeletionStore, ExportStore, HistoryStore];

/** What is kept of a person, for them to see, to take along and to end. */
@Module({
  imports: [AuthModule, SubscriptionModule, PaymentModule, PushDevicesModule, IssuanceModule],
  controllers: [AccountController],
  providers: [
    ...stores,
    AccountDeletions,
    AccountExports,
    AccountHistories,
    Profiles,
    ...jobHandlers(
      handles(deletionTask, AccountDeletions, (deletions, payload, attempt) =>
        deletions.finish(personOf(payload), attempt),
      ),
    ),
    ...upkeepJobs(
      IdentityUpkeep,
      every(600, 'account-deletions-revive', AccountDeletions, (deletions) => deletions.revive()),
      every(3_600, 'account-deletions-purge', AccountDeletions, (deletions) => deletions.purge()),
    ),
  ],
  exports: [AccountDeletions, AccountExports],
})
export class AccountModule {}
