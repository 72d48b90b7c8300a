import Stripe from 'stripe';
import { z } from 'zod';
import { AppError } from '../../platform/errors/index.js';

/** How far a signature's time may lie ahead: the clocks of two machines. */
const skewSeconds = 60;
/** How far it may lie back, as Stripe's own libraries have it. */
const toleranceSeconds = 300;

const reference = z.union([z.string(), z.object({ id: z.string() }).transform(({ id }) => id)]).nullish();

/** As much of an event as says what to look up; https://docs.stripe.com/api/events/object */
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
 * Verifies the signature over the body as it was sent, and reads the event.
 *
 * @param secrets the endpoint's, and while it is changed the one before
 * @throws {AppError} `webhook_signature_invalid`, also for a time that is more than 5 minutes past or a minute ahead
 */
export function readStripeEvent(
  body: Buffer | undefined,
  signature: string | undefined,
  secrets: readonly string[],
  now: Date,
): StripeEvent {
  if (body === undefined || signature === undefined || isFromTheFuture(signature, now)) throw notSigned();
  if (!secrets.some((secret) => isSignedBy(secret, body, signature, now))) throw notSigned();
  const event = eventSchema.safeParse(parseJson(body));
  if (!event.success) throw new AppError('webhook_signature_invalid', 'This is signed, but no event of Stripe.');
  return event.data;
}

function isSignedBy(secret: string, body: Buffer, signature: string, now: Date): boolean {
  try {
    // Not `constructEvent`, which fails as well on what was signed; and whatever fails here, nothing was verified.
    const { signature: verifier } = Stripe.webhooks;
    return verifier?.verifyHeader(body, signature, secret, toleranceSeconds, undefined, now.getTime()) === true;
  } catch {
    return false;
  }
}

/** Stripe's library lets any time in the future pass. */
function isFromTheFuture(signature: string, now: Date): boolean {
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
  new AppError('webhook_signature_invalid', 'Expected an event of this moment that Stripe signed for this endpoint.');

/**
 * What to look up: the customer whose money it is about; a charge, where an event names no customer.
 *
 * @returns undefined for an event that says nothing of anybody's money
 */
export function objectRefOf({ type, data }: StripeEvent): string | undefined {
  if (!/^(customer\.subscription|invoice|charge|refund|checkout\.session)\.|^customer\.deleted$/.test(type))
    return undefined;
  const { object, id, customer, charge } = data.object;
  return (object === 'customer' ? id : customer) ?? charge ?? undefined;
}
