import { Injectable } from '@nestjs/common';
import { type User } from '../../auth/index.js';
import { AppError } from '../../platform/errors/index.js';
import { pageOf, readCursor } from '../../platform/http/index.js';
import { type PaymentHistory } from '../../prisma/identity/index.js';
import { type HistoryQuery, type PaymentHistoryPage } from '../payment.schema.js';
import { paymentProblem } from '../providers/provider-errors.js';
import { OptionalStripe } from '../stripe/optional-stripe.js';
import { PaymentHistoryStore } from './payment-history.store.js';

/** As PostgreSQL writes it. PostgreSQL would reject a cursor with anything else. */
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A user's payment history, with links to the providers' receipts. */
@Injectable()
export class PaymentHistoryService {
  constructor(
    private readonly store: PaymentHistoryStore,
    private readonly stripe: OptionalStripe,
  ) {}

  /** @throws {AppError} `invalid_request` for a cursor that this service did not issue */
  async page({ userId }: User, { cursor, limit }: HistoryQuery): Promise<PaymentHistoryPage> {
    // One row more than requested shows whether there is another page.
    const rows = await this.store.page(userId, readCursor(cursor, uuid), limit + 1);
    const { shown, next } = pageOf(rows, limit, ({ occurredAt: at, id: name }) => ({ at, name }));
    return { payments: shown.map(toEntry), next };
  }

  /**
   * A new link to the receipt. Links are not stored, because the provider's links expire.
   *
   * @throws {AppError} `payment_not_found`, `receipt_not_available`, `payment_provider_unavailable`
   */
  async receipt({ userId }: User, id: string): Promise<{ url: string }> {
    const payment = await this.store.find(userId, id);
    if (payment === undefined)
      throw new AppError('payment_not_found', 'This account has no such payment. See GET /payment/history.');
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
  new AppError(
    'receipt_not_available',
    'Receipts exist only for charges through Stripe. Apple sends its receipts by e-mail.',
  );

const hasReceipt = ({ provider, kind }: PaymentHistory) => provider === 'stripe' && kind === 'charge';

function toEntry(payment: PaymentHistory): PaymentHistoryPage['payments'][number] {
  const { id, provider, kind, amount, currency, occurredAt } = payment;
  const receipt = hasReceipt(payment) ? `/payment/history/${id}/receipt` : null;
  return { id, provider, kind, amount, currency, occurredAt: occurredAt.toISOString(), receipt };
}
