import type Stripe from 'stripe';
import { type Account, idOf } from '../account.js';

export interface NewSession {
  readonly customer: string | null;
  readonly customerEmail: string | null;
  readonly clientReferenceId: string | null;
  readonly price: Stripe.Price;
  readonly quantity: number;
  readonly trialDays: number | null;
  readonly successUrl: string;
  readonly cancelUrl: string | null;
  readonly expiresAt: number;
  readonly allowPromotionCodes: boolean | null;
  readonly collection: 'always' | 'if_required';
  readonly locale: string | null;
  readonly metadata: Stripe.Metadata;
  /** The URL of Checkout pages. The session's id is appended. */
  readonly page: string;
}

export function session(account: Account, params: NewSession): Stripe.Checkout.Session {
  const id = account.id(account.livemode ? 'cs_live' : 'cs_test', 32);
  const subtotal = (params.price.unit_amount ?? 0) * params.quantity;
  const due = params.trialDays === null ? subtotal : 0;
  return {
    id,
    object: 'checkout.session',
    adaptive_pricing: null,
    after_expiration: null,
    allow_promotion_codes: params.allowPromotionCodes,
    allowed_payment_method_types: null,
    amount_subtotal: due,
    amount_total: due,
    automatic_tax: { enabled: false, liability: null, provider: null, status: null },
    billing_address_collection: null,
    cancel_url: params.cancelUrl,
    client_reference_id: params.clientReferenceId,
    client_secret: null,
    collected_information: null,
    consent: null,
    consent_collection: null,
    created: account.now(),
    currency: params.price.currency,
    currency_conversion: null,
    custom_fields: [],
    custom_text: { after_submit: null, shipping_address: null, submit: null, terms_of_service_acceptance: null },
    customer: params.customer,
    customer_account: null,
    customer_creation: params.customer === null ? 'always' : null,
    customer_details: null,
    customer_email: params.customerEmail,
    discounts: [],
    expires_at: params.expiresAt,
    integration_identifier: null,
    invoice: null,
    invoice_creation: null,
    livemode: account.livemode,
    locale: params.locale,
    managed_payments: { enabled: false },
    metadata: params.metadata,
    mode: 'subscription',
    origin_context: null,
    payment_intent: null,
    payment_link: null,
    payment_method_collection: params.collection,
    payment_method_configuration_details: null,
    payment_method_options: {},
    payment_method_types: ['card'],
    payment_status: 'unpaid',
    permissions: null,
    phone_number_collection: { enabled: false },
    recovered_from: null,
    saved_payment_method_options: null,
    setup_intent: null,
    shipping_address_collection: null,
    shipping_cost: null,
    shipping_options: [],
    status: 'open',
    submit_type: null,
    subscription: null,
    success_url: params.successUrl,
    total_details: { amount_discount: 0, amount_shipping: 0, amount_tax: 0 },
    ui_mode: 'hosted_page',
    url: params.page + id,
    wallet_options: null,
  };
}

/** The `line_items` of a session. Responses contain them only when expanded. */
export function lineItem(account: Account, price: Stripe.Price, quantity: number): Stripe.LineItem {
  const amount = (price.unit_amount ?? 0) * quantity;
  return {
    id: account.id('li'),
    object: 'item',
    adjustable_quantity: null,
    amount_discount: 0,
    amount_subtotal: amount,
    amount_tax: 0,
    amount_total: amount,
    currency: price.currency,
    description: idOf(price.product),
    metadata: null,
    price,
    quantity,
  };
}
