import { type PendingDelivery } from './delivery.store.js';

/** What became of one attempt. Reasons are short words for the operator, never an address or what a server said. */
export type Outcome =
  | { readonly kind: 'sent' }
  /** For good: trying again would be refused again. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Not tried: there is no way to tell them this, or they do not want it. */
  | { readonly kind: 'skipped'; readonly reason: string }
  /** Not now, and it is about this one alone. */
  | { readonly kind: 'later'; readonly reason: string }
  /** Nobody can be reached this way now. */
  | { readonly kind: 'down'; readonly reason: string };

export const sent: Outcome = { kind: 'sent' };
export const refused = (reason: string): Outcome => ({ kind: 'refused', reason });
export const skipped = (reason: string): Outcome => ({ kind: 'skipped', reason });
export const later = (reason: string): Outcome => ({ kind: 'later', reason });
export const down = (reason: string): Outcome => ({ kind: 'down', reason });

/** A way to tell people. */
export interface DeliveryChannel {
  /** How many it takes at once. */
  readonly concurrency: number;
  deliver(parcel: PendingDelivery): Promise<Outcome>;
}
