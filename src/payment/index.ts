export { PaymentClosing } from './customers/closing.service.js';
export { Inbox } from './webhooks/inbox.service.js';
export { PaymentModule } from './payment.module.js';
export { PlanPrices } from './plans/plan-prices.service.js';
export { Reconciliation } from './reconciliation/reconciliation.service.js';
