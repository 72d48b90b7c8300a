import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { AccessBlocks } from './access-blocks.service.js';
import { AccessBlocksStore } from './access-blocks.store.js';
import { OperatorAccess } from './operator-access.service.js';
import { OperatorAccessStore } from './operator-access.store.js';
import { PlansStore } from './plans.store.js';
import { Plans } from './plans.service.js';
import { ProviderSubscriptions } from './provider-subscriptions.service.js';
import { ProviderSubscriptionsStore } from './provider-subscriptions.store.js';
import { SubscriptionController } from './subscription.controller.js';
import { SubscriptionService } from './subscription.service.js';
import { SubscriptionStore } from './subscription.store.js';
import { Trials } from './trials.service.js';
import { TrialsStore } from './trials.store.js';

/** What people have paid for or were given, and whether it grants access now. */
@Module({
  imports: [AuthModule],
  controllers: [SubscriptionController],
  providers: [
    SubscriptionService,
    SubscriptionStore,
    Plans,
    PlansStore,
    AccessBlocks,
    AccessBlocksStore,
    OperatorAccess,
    OperatorAccessStore,
    ProviderSubscriptions,
    ProviderSubscriptionsStore,
    Trials,
    TrialsStore,
  ],
  exports: [Plans, AccessBlocks, OperatorAccess, ProviderSubscriptions, SubscriptionService, Trials],
})
export class SubscriptionModule {}
