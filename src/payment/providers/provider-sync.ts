import { type PaymentProvider } from '../../prisma/identity/index.js';

/** Why events are dead-lettered. They stay so until an operator retries them or a later fetch settles them. */
export type DeadLetterReason =
  | 'unknown_customer'
  | 'unknown_account'
  | 'unknown_price'
  | 'unknown_status'
  | 'unreadable'
  | 'unwritable'
  | `refused_${string}`;

export interface SyncOutcome {
  /** Undefined if the sync succeeded. */
  readonly deadLetterReason?: DeadLetterReason;
  /** Whether stored data has changed. */
  readonly changed: boolean;
}

/** Brings the stored data up to date with one provider. */
export interface ProviderSync {
  /** Whether the operator has set the provider up. */
  readonly isSetUp: boolean;

  /**
   * Fetches the object that `objectRef` names from the provider, and writes the result with the `fetchVersion`.
   *
   * @param objectRef Stripe: the id of a customer or a charge; App Store: the original transaction id of a subscription
   * @param fetchVersion a fencing token taken before the fetch. Rows with a greater one are not overwritten
   * @param claimant id of the user who claims the purchase
   * @throws {ProviderUnavailable} also if the operator has not set the provider up
   */
  sync(objectRef: string, fetchVersion: bigint, claimant?: string): Promise<SyncOutcome>;
}

export type ProviderSyncs = Readonly<Record<PaymentProvider, ProviderSync>>;

/** Injection token of the `ProviderSyncs`, which payment.module.ts provides. */
export const PROVIDER_SYNCS = Symbol('PROVIDER_SYNCS');
