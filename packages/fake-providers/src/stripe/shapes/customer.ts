import type Stripe from 'stripe';
import { type Account } from '../account.js';
import { fingerprintOf } from '../billing/bank.js';

export interface NewCustomer {
  readonly email: string | null;
  readonly name: string | null;
  readonly description: string | null;
  readonly metadata: Stripe.Metadata;
}

export function customer(account: Account, params: NewCustomer): Stripe.Customer {
  return {
    id: account.id('cus', 14),
    object: 'customer',
    address: null,
    balance: 0,
    created: account.now(),
    currency: null,
    customer_account: null,
    default_source: null,
    delinquent: false,
    discount: null,
    invoice_prefix: account.random.text(8).toUpperCase(),
    invoice_settings: { custom_fields: null, default_payment_method: null, footer: null, rendering_options: null },
    livemode: account.livemode,
    next_invoice_sequence: 1,
    phone: null,
    preferred_locales: [],
    shipping: null,
    tax_exempt: 'none',
    test_clock: null,
    ...params,
  };
}

const brands: readonly (readonly [RegExp, string])[] = [
  [/^4/, 'visa'],
  [/^5/, 'mastercard'],
  [/^3/, 'amex'],
];

export function paymentMethod(account: Account, customer: string, number: string): Stripe.PaymentMethod {
  const brand = brands.find(([start]) => start.test(number))?.[1] ?? 'unknown';
  return {
    id: account.id('pm'),
    object: 'payment_method',
    allow_redisplay: 'limited',
    billing_details: { address: null, email: null, name: null, phone: null, tax_id: null },
    card: {
      brand,
      checks: { address_line1_check: null, address_postal_code_check: null, cvc_check: 'pass' },
      country: 'US',
      display_brand: brand,
      exp_month: 12,
      exp_year: new Date(account.now() * 1000).getUTCFullYear() + 4,
      fingerprint: fingerprintOf(account, number),
      funding: 'credit',
      generated_from: null,
      last4: number.slice(-4),
      networks: { available: [brand], preferred: null },
      regulated_status: 'unregulated',
      three_d_secure_usage: { supported: true },
      wallet: null,
    },
    created: account.now(),
    customer,
    customer_account: null,
    livemode: account.livemode,
    metadata: {},
    type: 'card',
  };
}
