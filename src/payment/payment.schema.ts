import { z } from 'zod';
import { PaymentKind, PaymentProvider, PriceInterval } from '../prisma/identity/index.js';

const timestamp = z.iso.datetime();
const interval = z.enum(PriceInterval).describe('How often the price is charged.');
const planId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, { error: 'expected the id of a plan from GET /plans' })
  .meta({ examples: ['basic'] });
const money = {
  amount: z.int().min(0).describe('Amount in minor units of the currency, for example cents or yen.'),
  currency: z.string().describe('ISO 4217 code in lower case.'),
};
const returnUrl = z
  .string()
  .max(2048)
  .regex(/^[a-z][a-z0-9+.-]*:[!-~]+$/, { error: 'expected an absolute URL' })
  .describe('URL to return to. Must be one that the operator allows, or below one.')
  .meta({ examples: ['https://app.example.com/account'] });

export const planOffers = z
  .strictObject({
    plans: z.array(
      z.strictObject({
        id: z.string(),
        name: z.string(),
        dailyTokens: z.int().min(0).describe('Distinct tokens per issuer key, that is per UTC day.'),
        prices: z.array(
          z.discriminatedUnion('provider', [
            z.strictObject({ provider: z.literal('stripe'), interval, ...money }),
            z.strictObject({
              provider: z.literal('apple'),
              interval,
              productId: z.string().describe('Id of the App Store product. StoreKit knows its price.'),
            }),
          ]),
        ),
      }),
    ),
    trialDays: z
      .int()
      .min(0)
      .describe('Length of the trial for a user who has had none; 0 if the service offers no trial.'),
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

export const checkoutRequest = z.strictObject({ planId, interval, successUrl: returnUrl, cancelUrl: returnUrl }).meta({
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
  url: z.url().describe('Stripe page where the user pays. Access starts when Stripe confirms the payment.'),
  expiresAt: timestamp.describe('When the checkout expires.'),
  trialDays: z.int().min(0).describe('Days before the first charge; 0 if the user gets no trial.'),
});
export type CheckoutStarted = z.input<typeof checkoutStarted>;

export const portalRequest = z.strictObject({ returnUrl: returnUrl });
export type PortalRequest = z.output<typeof portalRequest>;

export const link = z.strictObject({
  url: z.url().describe('Stripe page for this user. The link expires within minutes.'),
});

export const planChange = z.strictObject({ planId, interval });
export type PlanChange = z.output<typeof planChange>;

export const subscriptionParams = z.strictObject({
  id: z.uuid({ error: 'expected the id of a source in GET /subscription' }),
});
export type SubscriptionParams = z.output<typeof subscriptionParams>;

export const paymentParams = z.strictObject({
  id: z.uuid({ error: 'expected the id of a payment in GET /payment/history' }),
});
export type PaymentParams = z.output<typeof paymentParams>;

export const historyQuery = z.strictObject({
  cursor: z
    .string()
    .regex(/^[\w-]{60,80}$/, { error: 'expected `next` of the previous page' })
    .optional()
    .describe('`next` of the previous page.')
    .meta({ examples: ['MTg5MzQ1NjAwMDAwMCA1YTVhNWE1YS01YTVhLTRhNWEtOGE1YS01YTVhNWE1YTVhNWE'] }),
  limit: z
    .string()
    .regex(/^([1-9]\d?|100)$/, { error: 'expected 1 to 100' })
    .describe('Number of payments per page, at most 100.')
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
        .describe('`charge`, `refund` or `dispute`; `reversal` if a refund failed or a dispute was won.'),
      ...money,
      occurredAt: timestamp,
      receipt: z.string().nullable().describe('Path that returns a link to the receipt; null if there is none.'),
    }),
  ),
  next: z.string().nullable().describe('Cursor of the next page; null on the last.'),
});
export type PaymentHistoryPage = z.input<typeof paymentHistory>;

/** Apple's signed data, as compact JWS. @param maxLength in characters */
const signedText = (maxLength: number) =>
  z
    .string()
    .max(maxLength)
    .regex(/^[\w-]+\.[\w-]+\.[\w-]+$/, { error: 'expected a compact JWS' })
    .meta({ examples: ['eyJhbGciOiJFUzI1NiJ9.eyJidW5kbGVJZCI6ImNvbS5leGFtcGxlLnZwbiJ9.c2lnbmF0dXJl'] });

export const appleNotificationBody = z
  .object({ signedPayload: signedText(1024 * 1024) })
  .describe('`responseBodyV2` of an App Store Server Notification.');
export type AppleNotificationBody = z.output<typeof appleNotificationBody>;

export const applePurchase = z.strictObject({
  signedTransaction: signedText(32_000).describe("StoreKit's `jwsRepresentation` of the transaction."),
});
export type ApplePurchase = z.output<typeof applePurchase>;

export const appleAccount = z.strictObject({
  appAccountToken: z
    .uuid()
    .describe('Pass it to `Product.purchase(options: [.appAccountToken(…)])` to tie the purchase to this account.'),
});

export const webhookReceipt = z.strictObject({ received: z.literal(true) });
export type WebhookReceipt = z.input<typeof webhookReceipt>;
