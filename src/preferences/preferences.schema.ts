import { z } from 'zod';
import { DnsBlocking } from '../prisma/identity/index.js';
import { optionalKinds, pushedKinds } from './notification-choices.js';

/** Languages that the texts of `notifications` are written in. */
export const locales = ['en'] as const;
export type Locale = (typeof locales)[number];

/** As the anonymizer names them; a test compares the two. */
export const locationName = z
  .string()
  .max(64)
  .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, { error: 'expected the id of a location, such as "de-frankfurt"' })
  .meta({ examples: ['de-frankfurt'] });

const fields = {
  defaultLocation: locationName
    .nullable()
    .describe('Where devices connect to first; one of `GET /vpn/locations`, or null.'),
  dnsBlocking: z.enum(DnsBlocking).describe('What devices ask for as `dns_blocking` in `POST /vpn/config`.'),
  endpointPort: z
    .int()
    .min(1)
    .max(65_535)
    .nullable()
    .describe('UDP port that devices try first; null leaves it to them.'),
  locale: z.enum(locales).describe('Language of mails and pushes.'),
  notMailed: z
    .array(z.enum(optionalKinds))
    .max(optionalKinds.length)
    .describe('Kinds of notification that are not mailed. Mails about the account and its money cannot be turned off.'),
  notPushed: z.array(z.enum(pushedKinds)).max(pushedKinds.length).describe('Kinds that are not pushed to devices.'),
};

/** All of a person's preferences. */
export const preferences = z.strictObject(fields);

/** Some of them. */
export const preferencesPatch = preferences
  .partial()
  .meta({ examples: [{ defaultLocation: 'de-frankfurt', notMailed: ['renewed'] }] });

export type Preferences = z.output<typeof preferences>;
export type PreferencesPatch = z.output<typeof preferencesPatch>;
