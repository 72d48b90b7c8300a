import { z } from 'zod';
import { NotificationKind } from '../prisma/identity/index.js';

/**
 * Every notification that users can get, and every field that each may contain: a closed list. Payloads come from the
 * identity database alone. A field that is not on this list is refused, so no notification can mention a connection, a
 * location or an IP address: "you connected from…" would be a log.
 */

const moment = z.iso.datetime({ offset: true });
const plan = z.string().max(100);
const provider = z.enum(['trial', 'stripe', 'apple', 'operator']);

export const payloadSchemas = {
  welcome: z.strictObject({}),
  email_verified: z.strictObject({}),
  trial_ending: z.strictObject({ until: moment, renews: z.boolean() }),
  payment_failed: z.strictObject({ plan, provider, until: moment.nullable() }),
  grace_ending: z.strictObject({ plan, provider, until: moment }),
  renewed: z.strictObject({ plan, until: moment }),
  cancelled: z.strictObject({ plan, until: moment }),
  expired: z.strictObject({ plan, trial: z.boolean() }),
  refunded: z.strictObject({ amount: z.int().min(0), currency: z.string().regex(/^[a-z]{3}$/), provider }),
  plan_changed: z.strictObject({ plan }),
  sign_in_provider_added: z.strictObject({ signIn: z.string().max(100) }),
  signed_out_everywhere: z.strictObject({ byOperator: z.boolean() }),
  email_change_asked: z.strictObject({}),
  /** The link is created when the mail is sent, and stored nowhere. */
  email_change_link: z.strictObject({ link: z.url({ protocol: /^https?$/ }) }),
  account_deleted: z.strictObject({ stillBilledBy: z.array(z.enum(['apple'])).default([]) }),
  maintenance: z.strictObject({ from: moment, to: moment, text: z.string().max(500) }),
} as const satisfies Record<NotificationKind, z.ZodObject>;

export type Kind = keyof typeof payloadSchemas;
export type Payload<K extends Kind> = z.output<(typeof payloadSchemas)[K]>;

export const kinds = Object.values(NotificationKind);

/** A full payload of each kind, for previews and tests. */
export const samplePayloads: { readonly [K in Kind]: Payload<K> } = {
  welcome: {},
  email_verified: {},
  trial_ending: { until: '2030-03-01T12:00:00Z', renews: false },
  payment_failed: { plan: 'Standard', provider: 'stripe', until: '2030-03-08T12:00:00Z' },
  grace_ending: { plan: 'Standard', provider: 'stripe', until: '2030-03-08T12:00:00Z' },
  renewed: { plan: 'Standard', until: '2030-04-01T12:00:00Z' },
  cancelled: { plan: 'Standard', until: '2030-04-01T12:00:00Z' },
  expired: { plan: 'Standard', trial: false },
  refunded: { amount: 499, currency: 'eur', provider: 'stripe' },
  plan_changed: { plan: 'Family' },
  sign_in_provider_added: { signIn: 'google.com' },
  signed_out_everywhere: { byOperator: false },
  email_change_asked: {},
  email_change_link: { link: 'https://vpn.example/__/auth/action?mode=verifyAndChangeEmail&oobCode=preview' },
  account_deleted: { stillBilledBy: ['apple'] },
  maintenance: {
    from: '2030-03-01T02:00:00Z',
    to: '2030-03-01T03:00:00Z',
    text: 'We are upgrading a database. Open connections stay up; new ones may take a little longer.',
  },
};
