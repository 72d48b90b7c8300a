import { z } from 'zod';
import { PaymentKind, PaymentProvider, PriceInterval } from '../prisma/identity/index.js';

const moment = z.iso.datetime();
const interval = z.enum(PriceInterval).describe('How often it is paid.');
const planId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, { error: 'expected the id of a plan, see GET /plans' })
  .meta({ examples: ['basic'] });
const money = {
  amount: z.int().min(0).describe('In minor units of the currency: cents, or yen.'),
  currency: z.string().describe('ISO 4217, lower case.'),
};
const where = z
  .string()
  .max(2048)
  .regex(/^[a-z][a-z0-9+.-]*:[!-~]+$/, { error: 'expected an absolute URL' })
  .describe('Where to go back to: one of those that the operator allows.')
  .meta({ examples: ['https://app.example.com/account'] });

export const planOffers = z
  .strictObject({
    plans: z.array(
      z.strictObject({
        id: z.string(),
        name: z.string(),
        dailyTokens: z.int().min(0).describe('Distinct tokens per issuer key, so per UTC day.'),
        prices: z.array(
          z.discriminatedUnion('provider', [
            z.strictObject({ provider: z.literal('stripe'), interval, ...money }),
            z.strictObject({
              provider: z.literal('apple'),
              interval,
              productId: z.string().describe("The App Store's product, which knows its price."),
            }),
          ]),
        ),
      }),
    ),
    trialDays: z.int().min(0).describe('Length of the trial of whoever had none yet; 0 when none is offered.'),
  })
  .meta({
    examples: [
      {
        plans: [
          {
            id: 'standard',
            name: 'Standard',
            dailyTokens: 32,
            prices: [{ provider: 'stripe', interval: 'month', amount: 499, currency: 'eur' }],
          },
        ],
        trialDays: 7,
      },
    ],
  });

export type PlanOffers = z.input<typeof planOffers>;
export type PlanOffer = PlanOffers['plans'][number];

export const checkoutRequest = z.strictObject({ planId, interval, successUrl: where, cancelUrl: where }).meta({
  examples: [
    {
      planId: 'standard',
      interval: 'month',
      successUrl: 'https://app.example.com/paid',
      cancelUrl: 'https://app.example.com/plans',
    },
  ],
});
export type CheckoutRequest = z.output<typeof checkoutRequest>;

export const checkoutStarted = z.strictObject({
  url: z.url().describe('Where the person pays: a page of Stripe. Access follows when Stripe says that it was paid.'),
  expiresAt: moment.describe('Until when.'),
  trialDays: z.int().min(0).describe('How long nothing is charged; 0 when no trial is due.'),
});
export type CheckoutStarted = z.input<typeof checkoutStarted>;

export const portalRequest = z.strictObject({ returnUrl: where });
export type PortalRequest = z.output<typeof portalRequest>;

export const link = z.strictObject({
  url: z.url().describe('A page of Stripe for this person; it works for minutes.'),
});

export const planChange = z.strictObject({ planId, interval });
export type PlanChange = z.output<typeof planChange>;

export const subscriptionName = z.strictObject({
  id: z.uuid({ error: 'expected the id of a source in GET /subscription' }),
});
export type SubscriptionName = z.output<typeof subscriptionName>;

export const paymentName = z.strictObject({
  id: z.uuid({ error: 'expected the id of a payment in GET /payment/history' }),
});
export type PaymentName = z.output<typeof paymentName>;

export const historyQuery = z.strictObject({
  cursor: z
    .string()
    .regex(/^[\w-]{60,80}$/, { error: 'expected `next` of the page before' })
    .optional()
    .describe('`next` of the page before.')
    .meta({ examples: ['MTg5MzQ1NjAwMDAwMCA1YTVhNWE1YS01YTVhLTRhNWEtOGE1YS01YTVhNWE1YTVhNWE'] }),
  limit: z
    .string()
    .regex(/^([1-9]\d?|100)$/, { error: 'expected 1 to 100' })
    .describe('How many, at most 100.')
    .meta({ examples: ['20'] })
    .default('20')
    .transform(Number),
});
export type HistoryQuery = z.output<typeof historyQuery>;

export const paymentHistory = z.strictObject({
  payments: z.array(
    z.strictObject({
      id: z.uuid(),
      provider: z.enum(PaymentProvider),
      kind: z
        .enum(PaymentKind)
        .describe('Which way the money went: a charge, a refund, a dispute, or the reversal of one of these two.'),
      ...money,
      occurredAt: moment,
      receipt: z
        .string()
        .nullable()
        .describe('Path that answers with a link to the receipt; null where the provider has none for us.'),
    }),
  ),
  next: z.string().nullable().describe('Cursor of the next page; null on the last.'),
});
export type PaymentHistoryPage = z.input<typeof paymentHistory>;

/** Apple's signed texts: header, payload and signature of JWS. @param most characters */
const signedText = (most: number) =>
  z
    .string()
    .max(most)
    .regex(/^[\w-]+\.[\w-]+\.[\w-]+$/, { error: 'expected a compact JWS' })
    .meta({ examples: ['eyJhbGciOiJFUzI1NiJ9.eyJidW5kbGVJZCI6ImNvbS5leGFtcGxlLnZwbiJ9.c2lnbmF0dXJl'] });

export const appleNotice = z
  .object({ signedPayload: signedText(1024 * 1024) })
  .describe('responseBodyV2 of App Store Server Notifications.');
export type AppleNotice = z.output<typeof appleNotice>;

export const applePurchase = z.strictObject({
  signedTransaction: signedText(32_000).describe("StoreKit's `jwsRepresentation` of the transaction."),
});
export type ApplePurchase = z.output<typeof applePurchase>;

export const appleAccount = z.strictObject({
  appAccountToken: z
    .uuid()
    .describe('For `Product.purchase(options: [.appAccountToken(…)])`: ties the purchase to this account.'),
});

export const webhookReceipt = z.strictObject({ received: z.literal(true) });
export type WebhookReceipt = z.input<typeof webhookReceipt>;
