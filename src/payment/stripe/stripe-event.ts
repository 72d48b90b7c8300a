import Stripe from 'stripe';
import { z } from 'zod';
import { AppError } from '../../platform/errors/index.js';

/** How far in the future a signature may be dated: two machines' clocks differ. */
const skewSeconds = 60;
/** How far in the past it may be dated: the default of Stripe's own libraries. */
const toleranceSeconds = 300;

const reference = z.union([z.string(), z.object({ id: z.string() }).transform(({ id }) => id)]).nullish();

/** The part of an event that names the object to fetch: https://docs.stripe.com/api/events/object */
const eventSchema = z.object({
  id: z.string().startsWith('evt_').max(255),
  type: z.string().min(1).max(255),
  created: z.int().nonnegative(),
  livemode: z.boolean(),
  data: z.object({
    object: z.object({
      id: z.string().max(255).optional(),
      object: z.string(),
      customer: reference,
      charge: reference,
    }),
  }),
});

export type StripeEvent = z.output<typeof eventSchema>;

/**
 * Verifies the signature over the raw body, and reads the event.
 *
 * @param secrets the endpoint's secret, and during a rotation also the previous one
 * @throws {AppError} `webhook_signature_invalid`, also if dated more than 5 minutes in the past or 1 minute in the future
 */
export function readStripeEvent(
  body: Buffer | undefined,
  signature: string | undefined,
  secrets: readonly string[],
  now: Date,
): StripeEvent {
  if (body === undefined || signature === undefined || isFutureDated(signature, now)) throw notSigned();
  if (!secrets.some((secret) => isSignedBy(secret, body, signature, now))) throw notSigned();
  const event = eventSchema.safeParse(parseJson(body));
  if (!event.success)
    throw new AppError('webhook_signature_invalid', 'The signature is valid, but the body is not a Stripe event.');
  return event.data;
}

function isSignedBy(secret: string, body: Buffer, signature: string, now: Date): boolean {
  try {
    // `constructEvent` would also parse the body, so its errors would not tell a bad signature from a bad body.
    const { signature: verifier } = Stripe.webhooks;
    return verifier?.verifyHeader(body, signature, secret, toleranceSeconds, undefined, now.getTime()) === true;
  } catch {
    return false;
  }
}

/** Needed because Stripe's library accepts any time in the future. */
function isFutureDated(signature: string, now: Date): boolean {
  const times = [...signature.matchAll(/(?:^|,)\s*t=(\d{1,12})(?=,|$)/g)].map(([, time]) => Number(time));
  return times.length !== 1 || times.some((time) => time > now.getTime() / 1000 + skewSeconds);
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

const notSigned = () =>
  new AppError(
    'webhook_signature_invalid',
    'Expected a recent event, signed by Stripe with the secret of this endpoint. Check STRIPE_WEBHOOK_SECRET.',
  );

/**
 * The object to fetch: the customer that the event is about, or the charge if the event names no customer.
 *
 * @returns undefined if the event is not about payments
 */
export function objectRefOf({ type, data }: StripeEvent): string | undefined {
  if (!/^(customer\.subscription|invoice|charge|refund|checkout\.session)\.|^customer\.deleted$/.test(type))
    return undefined;
  const { object, id, customer, charge } = data.object;
  return (object === 'customer' ? id : customer) ?? charge ?? undefined;
}
