import { z } from 'zod';
import { SubscriptionProvider } from '../prisma/identity/index.js';
import { accessReasons, nextActions, subscriptionStates } from './subscription-state.js';

const state = z.enum(subscriptionStates);
const timestamp = z.iso.datetime();

const plan = z.strictObject({
  id: z.string(),
  name: z.string(),
  dailyTokens: z.int().min(0).describe('Distinct tokens per issuer key, that is per UTC day.'),
});

export const subscriptionReport = z
  .strictObject({
    active: z.boolean().describe('Whether the user has access now, that is whether tokens are signed for them.'),
    state: z
      .enum([...subscriptionStates, 'NONE'])
      .describe('The most relevant state of all sources; `NONE` without sources.'),
    reason: z.enum(accessReasons).describe('Why the user has access or not.'),
    until: timestamp.nullable().describe('When access ends, or when it ended.'),
    plan: plan.nullable().describe('The most generous plan that the user has now; null without access.'),
    next: z
      .strictObject({
        action: z
          .enum(nextActions)
          .describe(
            '`subscribe`; `finish_payment` that was started; `pay` an overdue invoice; `resume` a cancelled subscription; `cancel_one` of two that renew; `contact_support`.',
          ),
        provider: z.enum(SubscriptionProvider).nullable().describe('Where to do it; null if the user may choose.'),
      })
      .nullable()
      .describe('What the user should do next; null if nothing.'),
    sources: z.array(
      z.strictObject({
        id: z.uuid().describe('For `/payment/subscriptions/{id}`.'),
        provider: z.enum(SubscriptionProvider),
        state,
        plan: z.string().describe('Id of the plan.'),
        until: timestamp.nullable(),
        cancelAtPeriodEnd: z
          .boolean()
          .describe('The subscription is cancelled: access lasts to the end of the paid period.'),
      }),
    ),
  })
  .meta({
    examples: [
      {
        active: true,
        state: 'TRIAL',
        reason: 'trial',
        until: '2030-01-08T12:00:00.000Z',
        plan: { id: 'standard', name: 'Standard', dailyTokens: 32 },
        next: { action: 'subscribe', provider: null },
        sources: [
          {
            id: '00000000-0000-4000-8000-000000000001',
            provider: 'trial',
            state: 'TRIAL',
            plan: 'standard',
            until: '2030-01-08T12:00:00.000Z',
            cancelAtPeriodEnd: false,
          },
        ],
      },
    ],
  });

export type SubscriptionReport = z.input<typeof subscriptionReport>;

/** A plan as the operator defines it. */
export const planInput = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/, { error: 'expected a slug, such as "standard"' }),
  name: z.string().trim().min(1).max(80),
  // The quota stores a hash per token, and each request rewrites them all.
  dailyTokens: z.int().min(0).max(1000),
});
