import { z } from 'zod';
import { DnsBlocking } from '../prisma/identity/index.js';
import { optionalKinds, pushedKinds } from './notification-choices.js';

/** Languages that `src/notifications/` has messages in. */
export const locales = ['en'] as const;
export type Locale = (typeof locales)[number];

/** The same pattern as the anonymizer's; a test compares the two. */
export const locationName = z
  .string()
  .max(64)
  .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, { error: 'expected the id of a location, such as "de-frankfurt"' })
  .meta({ examples: ['de-frankfurt'] });

const fields = {
  defaultLocation: locationName
    .nullable()
    .describe('Location that devices connect to by default: an id from `GET /vpn/locations`, or null for none.'),
  dnsBlocking: z.enum(DnsBlocking).describe('The value that devices send as `dns_blocking` in `POST /vpn/config`.'),
  endpointPort: z
    .int()
    .min(1)
    .max(65_535)
    .nullable()
    .describe('UDP port that devices try first; null to let each device decide.'),
  locale: z.enum(locales).describe('Language of e-mails and push notifications.'),
  notMailed: z
    .array(z.enum(optionalKinds))
    .max(optionalKinds.length)
    .describe(
      'Kinds of notification that are not sent by e-mail. Kinds that concern the security or payment of the account cannot be turned off.',
    ),
  notPushed: z
    .array(z.enum(pushedKinds))
    .max(pushedKinds.length)
    .describe('Kinds of notification that are not pushed to devices.'),
};

/** All preferences of a user. */
export const preferences = z.strictObject(fields);

/** The preferences to change. */
export const preferencesPatch = preferences
  .partial()
  .meta({ examples: [{ defaultLocation: 'de-frankfurt', notMailed: ['renewed'] }] });

export type Preferences = z.output<typeof preferences>;
export type PreferencesPatch = z.output<typeof preferencesPatch>;
