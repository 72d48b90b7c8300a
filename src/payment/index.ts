export { PaymentClosing } from './closing.service.js';
export { Inbox } from './inbox.service.js';
export { PaymentModule } from './payment.module.js';
export { PlanPrices } from './plan-prices.service.js';
export { Reconciliation } from './reconciliation.service.js';
