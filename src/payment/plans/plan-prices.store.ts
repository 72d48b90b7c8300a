import { Injectable } from '@nestjs/common';
import {
  IdentityPrisma,
  type PaymentProvider,
  type PlanPrice,
  type PriceInterval,
} from '../../prisma/identity/index.js';

@Injectable()
export class PlanPricesStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /** The plan of each of the provider's prices, on offer or not. */
  async plansOf(provider: PaymentProvider): Promise<Map<string, string>> {
    const rows = await this.prisma.planPrice.findMany({
      where: { provider },
      select: { priceRef: true, planId: true },
    });
    return new Map(rows.map(({ priceRef, planId }) => [priceRef, planId]));
  }

  async list(): Promise<PlanPrice[]> {
    return this.prisma.planPrice.findMany({ orderBy: [{ planId: 'asc' }, { provider: 'asc' }, { priceRef: 'asc' }] });
  }

  async find(provider: PaymentProvider, priceRef: string): Promise<PlanPrice | undefined> {
    return (
      (await this.prisma.planPrice.findUnique({ where: { provider_priceRef: { provider, priceRef } } })) ?? undefined
    );
  }

  /** The price at which a plan is on offer. */
  async offered(planId: string, provider: PaymentProvider, interval: PriceInterval): Promise<PlanPrice | undefined> {
    return (
      (await this.prisma.planPrice.findFirst({ where: { planId, provider, interval, offered: true } })) ?? undefined
    );
  }

  /** Maps a price to a plan, and offers it in place of the previous one. */
  async set(price: PlanPrice): Promise<void> {
    const { provider, priceRef, planId, interval } = price;
    await this.prisma.$transaction([
      this.prisma.planPrice.updateMany({
        where: { planId, provider, interval, offered: true },
        data: { offered: false },
      }),
      this.prisma.planPrice.upsert({
        where: { provider_priceRef: { provider, priceRef } },
        create: price,
        update: price,
      }),
    ]);
  }

  /** Takes a price off sale. Existing subscribers keep it. @returns whether it was on offer */
  async withdraw(provider: PaymentProvider, priceRef: string): Promise<boolean> {
    const { count } = await this.prisma.planPrice.updateMany({
      where: { provider, priceRef, offered: true },
      data: { offered: false },
    });
    return count > 0;
  }
}
