import { z } from 'zod';
import { SubscriptionProvider } from '../prisma/identity/index.js';
import { accessReasons, nextActions, subscriptionStates } from './subscription-state.js';

const state = z.enum(subscriptionStates);
const moment = z.iso.datetime();

const plan = z.strictObject({
  id: z.string(),
  name: z.string(),
  dailyTokens: z.int().min(0).describe('Distinct tokens per issuer key, so per UTC day.'),
});

export const subscriptionReport = z
  .strictObject({
    active: z.boolean().describe('Whether tokens are signed for this person now.'),
    state: z.enum([...subscriptionStates, 'NONE']).describe('The most telling state of all sources.'),
    reason: z.enum(accessReasons).describe('Why there is access, or none.'),
    until: moment.nullable().describe('When access ends, or ended.'),
    plan: plan.nullable().describe('The most generous plan granted now; null without access.'),
    next: z
      .strictObject({
        action: z
          .enum(nextActions)
          .describe(
            '`subscribe`, `finish_payment`, `pay` what is owed, `resume` what was cancelled, `cancel_one` of two that renew, `contact_support`.',
          ),
        provider: z.enum(SubscriptionProvider).nullable().describe('Where; null where it is yours to choose.'),
      })
      .nullable()
      .describe('What the person can do about it; null when all is well.'),
    sources: z.array(
      z.strictObject({
        id: z.uuid().describe('For `/payment/subscriptions/{id}`.'),
        provider: z.enum(SubscriptionProvider),
        state,
        plan: z.string().describe('Id of its plan.'),
        until: moment.nullable(),
        cancelAtPeriodEnd: z.boolean().describe('Access lasts to the end of what is paid, and is not renewed.'),
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

/** A plan as the operator sets it. */
export const planInput = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/, { error: 'expected a slug, such as "standard"' }),
  name: z.string().trim().min(1).max(80),
  // The quota keeps a hash per token and is rewritten at each request.
  dailyTokens: z.int().min(0).max(1000),
});
