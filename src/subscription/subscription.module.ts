import { Module } from '@nestjs/common';
import { AuthModule, EntitlementReader } from '../auth/index.js';
import { PlansStore } from './plans.store.js';
import { Plans } from './plans.service.js';
import { SubscriptionController } from './subscription.controller.js';
import { SubscriptionService } from './subscription.service.js';
import { SubscriptionStore } from './subscription.store.js';

/** What people have paid for or were given, and whether it grants access now. */
@Module({
  imports: [AuthModule],
  controllers: [SubscriptionController],
  providers: [
    SubscriptionService,
    SubscriptionStore,
    Plans,
    PlansStore,
    { provide: EntitlementReader, useExisting: SubscriptionService },
  ],
  exports: [EntitlementReader, Plans],
})
export class SubscriptionModule {}
