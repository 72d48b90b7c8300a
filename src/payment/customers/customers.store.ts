import { Injectable } from '@nestjs/common';
import { IdentityPrisma, type User } from '../../prisma/identity/index.js';

/** A person, as far as their payments need them. */
export interface ProviderCustomer {
  readonly userId: string;
  readonly firebaseUid: string;
  readonly email: string | null;
  readonly emailVerified: boolean;
  readonly stripeCustomerId: string | null;
  readonly appleAccountToken: string;
}

@Injectable()
export class CustomersStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  async byStripe(stripeCustomerId: string): Promise<ProviderCustomer | undefined> {
    return toProviderCustomer(await this.prisma.user.findUnique({ where: { stripeCustomerId } }));
  }

  async byAppleAccountToken(appleAccountToken: string): Promise<ProviderCustomer | undefined> {
    return toProviderCustomer(await this.prisma.user.findUnique({ where: { appleAccountToken } }));
  }

  async byId(id: string): Promise<ProviderCustomer | undefined> {
    return toProviderCustomer(await this.prisma.user.findUnique({ where: { id } }));
  }

  /** Ties a person to a customer at Stripe, in the place of `former`. @returns whose customer the person is now */
  async setStripe(userId: string, former: string | null, stripeCustomerId: string): Promise<string | null> {
    await this.prisma.$executeRaw`
      UPDATE "User" SET stripe_customer_id = ${stripeCustomerId}
      WHERE id = ${userId}::uuid AND stripe_customer_id IS NOT DISTINCT FROM ${former}`;
    return (await this.byId(userId))?.stripeCustomerId ?? null;
  }
}

function toProviderCustomer(user: User | null): ProviderCustomer | undefined {
  if (user === null) return undefined;
  const { id: userId, firebaseUid, email, emailVerified, stripeCustomerId, appleAccountToken } = user;
  return { userId, firebaseUid, email, emailVerified, stripeCustomerId, appleAccountToken };
}
