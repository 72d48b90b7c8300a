import { Injectable } from '@nestjs/common';
import { IdentityPrisma, type PaymentProvider } from '../../prisma/identity/index.js';
import { sealedFetchVersion } from '../../subscription/index.js';

/** A subscription as it is written here. */
export interface WrittenSubscription {
  readonly providerRef: string;
  readonly planId: string;
  readonly status: string;
  readonly paidThrough: Date;
  readonly cancelAtPeriodEnd: boolean;
}

export interface WrittenDispute {
  readonly blocks: boolean;
  readonly isSealed: boolean;
}

@Injectable()
export class ReconciliationStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  async written(refs: readonly string[]): Promise<Map<string, WrittenSubscription>> {
    const rows = await this.prisma.subscription.findMany({ where: { providerRef: { in: [...refs] } } });
    return new Map(rows.map((row) => [row.providerRef, row]));
  }

  /** Of these customers of Stripe, those who have an account here. */
  async known(customers: readonly string[]): Promise<Set<string>> {
    const rows = await this.prisma.user.findMany({
      where: { stripeCustomerId: { in: [...customers] } },
      select: { stripeCustomerId: true },
    });
    return new Set(rows.map(({ stripeCustomerId }) => stripeCustomerId ?? ''));
  }

  /** What a provider may still change: the names of all subscriptions that have not ended long ago, with their customer at Stripe. */
  async live(provider: PaymentProvider, since: Date): Promise<{ providerRef: string; customer: string | null }[]> {
    const rows = await this.prisma.subscription.findMany({
      where: { provider, OR: [{ status: { notIn: ['EXPIRED', 'REVOKED'] } }, { paidThrough: { gt: since } }] },
      select: { providerRef: true, user: { select: { stripeCustomerId: true } } },
    });
    return rows.map(({ providerRef, user }) => ({ providerRef, customer: user.stripeCustomerId }));
  }

  /** What is written of these disputes. What an operator has decided is sealed: no look-up changes it. */
  async disputes(refs: readonly string[]): Promise<Map<string, WrittenDispute>> {
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
