import { type PendingDelivery } from './delivery.store.js';

/** The result of one delivery attempt. Reasons are short codes for the operator, never an address or a server's message. */
export type Outcome =
  | { readonly kind: 'sent' }
  /** Permanently: another attempt would be refused too. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Not attempted: the channel cannot reach the user, or the user has turned this kind off. */
  | { readonly kind: 'skipped'; readonly reason: string }
  /** A temporary failure of this delivery alone. */
  | { readonly kind: 'later'; readonly reason: string }
  /** A temporary failure of the whole channel. */
  | { readonly kind: 'down'; readonly reason: string };

export const sent: Outcome = { kind: 'sent' };
export const refused = (reason: string): Outcome => ({ kind: 'refused', reason });
export const skipped = (reason: string): Outcome => ({ kind: 'skipped', reason });
export const retryLater = (reason: string): Outcome => ({ kind: 'later', reason });
export const channelDown = (reason: string): Outcome => ({ kind: 'down', reason });

/** A way to reach users, such as e-mail. */
export interface DeliveryChannel {
  /** How many deliveries it handles at once. */
  readonly concurrency: number;
  deliver(delivery: PendingDelivery): Promise<Outcome>;
}
