export { Plans } from './plans.service.js';
export { type Plan } from './subscription-state.js';
export { SubscriptionModule } from './subscription.module.js';
