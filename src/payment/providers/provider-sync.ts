import { type PaymentProvider } from '../../prisma/identity/index.js';

/** Why events are put aside until an operator, or a later look-up, deals with them. */
export type DeadLetterReason =
  | 'unknown_customer'
  | 'unknown_account'
  | 'unknown_price'
  | 'unknown_status'
  | 'unreadable'
  | 'unwritable'
  | `refused_${string}`;

export interface SyncOutcome {
  /** Without it, all is well. */
  readonly deadLetterReason?: DeadLetterReason;
  /** Whether anything was written that was not there before. */
  readonly changed: boolean;
}

/** Brings what is written here to what one provider has now. */
export interface ProviderSync {
  /** Whether the operator has set the provider up. */
  readonly isSetUp: boolean;

  /**
   * Asks the provider for what `objectRef` names, and writes what it learns under the ticket.
   *
   * @param objectRef of Stripe a customer, or a charge; of the App Store a subscription, by its original transaction
   * @param ticket taken before: what was written under a greater one stays
   * @param claimant a user who says that it is theirs
   * @throws {ProviderUnavailable} also where the operator has not set the provider up
   */
  sync(objectRef: string, fetchVersion: bigint, claimant?: string): Promise<SyncOutcome>;
}

export type ProviderSyncs = Readonly<Record<PaymentProvider, ProviderSync>>;

/** Injects the `ProviderSyncs`; which class syncs with which provider says payment.module.ts. */
export const PROVIDER_SYNCS = Symbol('PROVIDER_SYNCS');
