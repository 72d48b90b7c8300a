import type Stripe from 'stripe';
import { type Account, idOf } from '../account.js';
import { type DeclineCode } from '../hidden.js';

export function paymentIntent(
  account: Account,
  invoice: Stripe.Invoice,
  paymentMethod: string | null,
): Stripe.PaymentIntent {
  const id = account.id('pi');
  return {
    id,
    object: 'payment_intent',
    allowed_payment_method_types: null,
    amount: invoice.amount_due,
    amount_capturable: 0,
    amount_received: 0,
    application: null,
    application_fee_amount: null,
    automatic_payment_methods: null,
    canceled_at: null,
    cancellation_reason: null,
    capture_method: 'automatic',
    client_secret: `${id}_secret_${account.random.text(25)}`,
    confirmation_method: 'automatic',
    created: account.now(),
    currency: invoice.currency,
    customer: invoice.customer,
    customer_account: null,
    description: invoice.billing_reason === 'subscription_create' ? 'Subscription creation' : 'Subscription update',
    excluded_payment_method_types: null,
    last_payment_error: null,
    latest_charge: null,
    livemode: account.livemode,
    managed_payments: null,
    metadata: {},
    next_action: null,
    on_behalf_of: null,
    payment_method: paymentMethod,
    payment_method_configuration_details: null,
    payment_method_options: null,
    payment_method_types: ['card'],
    payment_record: null,
    processing: null,
    receipt_email: null,
    review: null,
    setup_future_usage: 'off_session',
    shipping: null,
    source: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: 'requires_payment_method',
    transfer_data: null,
    transfer_group: null,
  };
}

/** Links an invoice to its payment. Since version 2025-03-31.basil, `charge.invoice` and `payment_intent.invoice` no longer exist. */
export function invoicePayment(
  account: Account,
  invoice: Stripe.Invoice,
  intent: Stripe.PaymentIntent,
): Stripe.InvoicePayment {
  return {
    id: account.id('inpay'),
    object: 'invoice_payment',
    amount_paid: null,
    amount_requested: invoice.amount_due,
    created: account.now(),
    currency: invoice.currency,
    invoice: invoice.id,
    is_default: true,
    livemode: account.livemode,
    payment: { payment_intent: intent.id, type: 'payment_intent' },
    status: 'open',
    status_transitions: { canceled_at: null, paid_at: null },
  };
}

const declined = { code: 'card_declined', message: 'Your card was declined.' };

/** The error code and message for a declined card. https://docs.stripe.com/error-codes */
export function declineOf(code: DeclineCode): { code: string; message: string } {
  if (code === 'expired_card') return { code, message: 'Your card has expired.' };
  if (code === 'insufficient_funds') return { ...declined, message: 'Your card has insufficient funds.' };
  if (code === 'authentication_required') {
    return { code, message: 'Your card was declined. This transaction requires authentication.' };
  }
  return declined;
}

/** @param declined the bank's reason to decline; null for a charge that succeeded. */
export function charge(
  account: Account,
  intent: Stripe.PaymentIntent,
  method: Stripe.PaymentMethod,
  declined: DeclineCode | null,
): Stripe.Charge {
  const failure = declined && declineOf(declined);
  const id = account.id('ch');
  return {
    id,
    object: 'charge',
    amount: intent.amount,
    amount_captured: failure ? 0 : intent.amount,
    amount_refunded: 0,
    application: null,
    application_fee: null,
    application_fee_amount: null,
    balance_transaction: failure ? null : account.id('txn'),
    billing_details: method.billing_details,
    calculated_statement_descriptor: 'FAKE',
    captured: !failure,
    created: account.now(),
    currency: intent.currency,
    customer: intent.customer,
    description: intent.description,
    disputed: false,
    failure_balance_transaction: null,
    failure_code: failure?.code ?? null,
    failure_message: failure?.message ?? null,
    fraud_details: {},
    livemode: account.livemode,
    metadata: {},
    on_behalf_of: null,
    outcome: {
      advice_code: failure ? 'try_again_later' : null,
      network_advice_code: null,
      network_decline_code: null,
      network_status: failure ? 'declined_by_network' : 'approved_by_network',
      reason: declined,
      risk_level: 'normal',
      risk_score: 20,
      seller_message: failure ? 'The bank did not return any further details with this decline.' : 'Payment complete.',
      type: failure ? 'issuer_declined' : 'authorized',
    },
    paid: !failure,
    payment_intent: intent.id,
    payment_method: method.id,
    payment_method_details: { card: cardDetails(intent.amount, method), type: 'card' },
    receipt_email: null,
    receipt_number: null,
    receipt_url: failure ? null : `https://pay.stripe.com/receipts/payment/${id}`,
    refunded: false,
    review: null,
    shipping: null,
    source: null,
    source_transfer: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: failure ? 'failed' : 'succeeded',
    transfer_data: null,
    transfer_group: null,
  };
}

function cardDetails(amount: number, { id, card }: Stripe.PaymentMethod): Stripe.Charge.PaymentMethodDetails.Card {
  if (!card) throw new Error(`The payment method ${id} is not a card.`);
  const { brand, checks, country, exp_month, exp_year, fingerprint, funding, last4, regulated_status } = card;
  return {
    amount_authorized: amount,
    authorization_code: null,
    electronic_commerce_indicator: null,
    installments: null,
    mandate: null,
    network: brand,
    network_transaction_id: null,
    three_d_secure: null,
    transaction_link_id: null,
    wallet: null,
    ...{ brand, checks, country, exp_month, exp_year, fingerprint, funding, last4, regulated_status },
  };
}

export function refund(
  account: Account,
  charge: Stripe.Charge,
  params: { amount: number; reason: Stripe.Refund.Reason | null; metadata: Stripe.Metadata },
): Stripe.Refund {
  return {
    id: account.id('re'),
    object: 'refund',
    balance_transaction: account.id('txn'),
    charge: charge.id,
    created: account.now(),
    currency: charge.currency,
    customer: charge.customer,
    customer_account: null,
    destination_details: {
      card: { reference_status: 'pending', reference_type: 'acquirer_reference_number', type: 'refund' },
      type: 'card',
    },
    payment_intent: charge.payment_intent && idOf(charge.payment_intent),
    payment_method: charge.payment_method,
    receipt_number: null,
    source_transfer_reversal: null,
    // Card refunds succeed at once. Other methods can be pending, or fail later. https://docs.stripe.com/refunds
    status: 'succeeded',
    transfer_reversal: null,
    ...params,
  };
}
