import { z } from 'zod';
import { PaymentKind, SubscriptionEventKind } from '../prisma/identity/index.js';

const moment = z.iso.datetime();
const day = z.iso.date();

/** RFC 5321 §4.5.3.1. */
const maxEmailLength = 254;

const emailAddress = z
  .email({ error: 'expected one e-mail address, such as ada@example.com' })
  .max(maxEmailLength)
  .meta({ examples: ['ada@example.com'] });

const platform = z.enum(['android', 'ios', 'desktop']);

export const account = z.strictObject({
  email: z.string().nullable(),
  emailVerified: z.boolean(),
  createdOn: day.describe('The day on which the account was first used here.'),
  signInProviders: z
    .array(z.string())
    .describe('Sign-in methods by their Firebase names, such as `password` or `google.com`.'),
  devices: z
    .array(z.strictObject({ id: z.uuid(), platform, registeredOn: day }))
    .describe('Devices that receive push notifications.'),
  tokens: z
    .strictObject({
      dailyTokens: z.int().min(0).describe('0 if the user has no access.'),
      used: z.int().min(0),
      left: z.int().min(0),
      resetsAt: moment,
    })
    .describe('The token quota of the key that signs today. The service knows only these numbers, not the tokens.'),
});
export type Account = z.input<typeof account>;

export const accountPatch = z.strictObject({
  email: emailAddress.describe('The new e-mail address. It becomes the address of the account once it is verified.'),
});
export type AccountPatch = z.output<typeof accountPatch>;

export const newDevice = z.strictObject({
  platform,
  token: z
    .string()
    .max(1024)
    .regex(/^[\w:.-]{20,1024}$/, {
      error: 'expected the registration token that the app got from Firebase Cloud Messaging',
    })
    .describe('The registration token of Firebase Cloud Messaging.')
    .meta({ examples: ['d5f0c1b2a3948576:APA91bExampleOfARegistrationToken'] }),
});
export type NewDevice = z.output<typeof newDevice>;

export const device = z.strictObject({ id: z.uuid() });
export const deviceName = z.strictObject({ id: z.uuid({ error: 'expected the id of a device, see GET /account' }) });
export type DeviceName = z.output<typeof deviceName>;

export const pageQuery = z.strictObject({
  cursor: z
    .string()
    .max(120)
    .regex(/^[\w-]{4,120}$/, { error: 'expected `next` of the page before' })
    .optional()
    .describe('`next` of the previous page.')
    .meta({ examples: ['MTg5MzQ1NjAwMDAwMCAx'] }),
  limit: z
    .string()
    .regex(/^([1-9]\d?|100)$/, { error: 'expected 1 to 100' })
    .describe('Maximum number of entries.')
    .meta({ examples: ['50'] })
    .default('50')
    .transform(Number),
});
export type PageQuery = z.output<typeof pageQuery>;

const next = z.string().nullable().describe('Cursor of the next page; null on the last page.');

export const accountHistory = z.strictObject({
  events: z.array(
    z.strictObject({
      at: moment,
      kind: z.enum({ ...PaymentKind, ...SubscriptionEventKind }),
      text: z.string().describe('The event as a sentence, to show to the user.'),
      amount: z.int().nullable().describe('In minor units of the currency; null for events without a payment.'),
      currency: z.string().nullable(),
    }),
  ),
  next,
});
export type AccountHistory = z.input<typeof accountHistory>;

export const auditTrail = z.strictObject({
  acts: z.array(
    z.strictObject({
      at: moment,
      by: z.enum(['you', 'operator']),
      action: z.string().describe('Such as `account.sign_out_everywhere`.'),
      reason: z.string().nullable().describe("The operator's reason; null for your own acts."),
    }),
  ),
  next,
});
export type AuditTrail = z.input<typeof auditTrail>;

export const accountExport = z.strictObject({
  exportedAt: moment,
  identityProvider: z
    .strictObject({
      uid: z.string(),
      email: z.string().nullable(),
      emailVerified: z.boolean(),
      disabled: z.boolean(),
      signInProviders: z.array(z.string()),
      tokensValidAfter: moment,
    })
    .nullable()
    .describe('The account at Firebase; null if it no longer exists there.'),
  tables: z
    .record(z.string(), z.array(z.record(z.string(), z.unknown())))
    .describe('All rows stored about you, by table, with all columns. Bytes are hexadecimal with the prefix `\\x`.'),
});
export type AccountExport = z.input<typeof accountExport>;

export const deletionBegun = z.strictObject({
  stillBilledBy: z
    .array(z.enum(['apple']))
    .describe(
      'Providers that continue to charge, because only the user can cancel there: for Apple, in the settings of the Apple account.',
    ),
});
export type DeletionBegun = z.input<typeof deletionBegun>;
