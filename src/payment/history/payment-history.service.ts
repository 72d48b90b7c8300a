import { Injectable } from '@nestjs/common';
import { type User } from '../../auth/index.js';
import { AppError } from '../../platform/errors/index.js';
import { pageOf, readCursor } from '../../platform/http/index.js';
import { type PaymentHistory } from '../../prisma/identity/index.js';
import { type HistoryQuery, type PaymentHistoryPage } from '../payment.schema.js';
import { paymentProblem } from '../providers/provider-errors.js';
import { OptionalStripe } from '../stripe/optional-stripe.js';
import { PaymentHistoryStore } from './payment-history.store.js';

/** As PostgreSQL writes it, which takes nothing else for one. */
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A person's payments, and the receipts that the provider keeps of them. */
@Injectable()
export class PaymentHistoryService {
  constructor(
    private readonly store: PaymentHistoryStore,
    private readonly stripe: OptionalStripe,
  ) {}

  /** @throws {AppError} `invalid_request` for a cursor that we did not give */
  async page({ userId }: User, { cursor, limit }: HistoryQuery): Promise<PaymentHistoryPage> {
    // One more than asked, to know whether there is another page.
    const rows = await this.store.page(userId, readCursor(cursor, uuid), limit + 1);
    const { shown, next } = pageOf(rows, limit, ({ occurredAt: at, id: name }) => ({ at, name }));
    return { payments: shown.map(toEntry), next };
  }

  /**
   * A link to the receipt, made at this moment: the provider's links expire, so none is kept.
   *
   * @throws {AppError} `payment_not_found`, `receipt_not_available`, `payment_provider_unavailable`
   */
  async receipt({ userId }: User, id: string): Promise<{ url: string }> {
    const payment = await this.store.find(userId, id);
    if (payment === undefined)
      throw new AppError('payment_not_found', 'You have no such payment: see GET /payment/history.');
    if (!hasReceipt(payment)) throw noReceipt();
    const url = await this.stripe
      .get()
      .receiptOf(payment.providerRef.replace('stripe:', ''))
      .catch((error: unknown) => {
        throw paymentProblem(error);
      });
    if (url === undefined) throw noReceipt();
    return { url };
  }
}

const noReceipt = () =>
  new AppError('receipt_not_available', 'Apple sends receipts by mail; refunds and disputes have none.');

const hasReceipt = ({ provider, kind }: PaymentHistory) => provider === 'stripe' && kind === 'charge';

function toEntry(payment: PaymentHistory): PaymentHistoryPage['payments'][number] {
  const { id, provider, kind, amount, currency, occurredAt } = payment;
  const receipt = hasReceipt(payment) ? `/payment/history/${id}/receipt` : null;
  return { id, provider, kind, amount, currency, occurredAt: occurredAt.toISOString(), receipt };
}
