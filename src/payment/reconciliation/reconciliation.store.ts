import { Injectable } from '@nestjs/common';
import { IdentityPrisma, type PaymentProvider } from '../../prisma/identity/index.js';
import { sealedFetchVersion } from '../../subscription/index.js';

/** A subscription as it is stored here. */
export interface StoredSubscription {
  readonly providerRef: string;
  readonly planId: string;
  readonly status: string;
  readonly paidThrough: Date;
  readonly cancelAtPeriodEnd: boolean;
}

export interface StoredDispute {
  readonly blocks: boolean;
  readonly isSealed: boolean;
}

@Injectable()
export class ReconciliationStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  async storedSubscriptions(refs: readonly string[]): Promise<Map<string, StoredSubscription>> {
    const rows = await this.prisma.subscription.findMany({ where: { providerRef: { in: [...refs] } } });
    return new Map(rows.map((row) => [row.providerRef, row]));
  }

  /** The given Stripe customers that belong to an account of this service. */
  async ownCustomers(customers: readonly string[]): Promise<Set<string>> {
    const rows = await this.prisma.user.findMany({
      where: { stripeCustomerId: { in: [...customers] } },
      select: { stripeCustomerId: true },
    });
    return new Set(rows.map(({ stripeCustomerId }) => stripeCustomerId ?? ''));
  }

  /** Subscriptions that the provider may still change: those that have not ended before `since`. */
  async changeableSubscriptions(
    provider: PaymentProvider,
    since: Date,
  ): Promise<{ providerRef: string; customer: string | null }[]> {
    const rows = await this.prisma.subscription.findMany({
      where: { provider, OR: [{ status: { notIn: ['EXPIRED', 'REVOKED'] } }, { paidThrough: { gt: since } }] },
      select: { providerRef: true, user: { select: { stripeCustomerId: true } } },
    });
    return rows.map(({ providerRef, user }) => ({ providerRef, customer: user.stripeCustomerId }));
  }

  /** The stored state of the given disputes. A dispute that an operator has decided is sealed: no fetch changes it. */
  async storedDisputes(refs: readonly string[]): Promise<Map<string, StoredDispute>> {
    const rows = await this.prisma.accessBlock.findMany({
      where: { providerRef: { in: [...refs] } },
      select: { providerRef: true, liftedOn: true, fetchVersion: true },
    });
    return new Map(
      rows.map(({ providerRef, liftedOn, fetchVersion }) => [
        providerRef ?? '',
        { blocks: liftedOn === null, isSealed: fetchVersion === sealedFetchVersion },
      ]),
    );
  }
}
