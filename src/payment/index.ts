export { PaymentClosingService } from './customers/payment-closing.service.js';
export { InboxService } from './webhooks/inbox.service.js';
export { PaymentModule } from './payment.module.js';
export { PlanPricesService } from './plans/plan-prices.service.js';
export { ReconciliationService } from './reconciliation/reconciliation.service.js';
