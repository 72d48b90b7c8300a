import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { AccessBlocksService } from './access-blocks.service.js';
import { AccessBlocksStore } from './access-blocks.store.js';
import { OperatorAccessService } from './operator-access.service.js';
import { OperatorAccessStore } from './operator-access.store.js';
import { PlansStore } from './plans.store.js';
import { PlansService } from './plans.service.js';
import { ProviderSubscriptionsService } from './provider-subscriptions.service.js';
import { ProviderSubscriptionsStore } from './provider-subscriptions.store.js';
import { SubscriptionController } from './subscription.controller.js';
import { SubscriptionService } from './subscription.service.js';
import { SubscriptionStore } from './subscription.store.js';
import { TrialsService } from './trials.service.js';
import { TrialsStore } from './trials.store.js';

/** Users' subscriptions, trials and grants, and whether they give access now. */
@Module({
  imports: [AuthModule],
  controllers: [SubscriptionController],
  providers: [
    SubscriptionService,
    SubscriptionStore,
    PlansService,
    PlansStore,
    AccessBlocksService,
    AccessBlocksStore,
    OperatorAccessService,
    OperatorAccessStore,
    ProviderSubscriptionsService,
    ProviderSubscriptionsStore,
    TrialsService,
    TrialsStore,
  ],
  exports: [
    PlansService,
    AccessBlocksService,
    OperatorAccessService,
    ProviderSubscriptionsService,
    SubscriptionService,
    TrialsService,
  ],
})
export class SubscriptionModule {}
