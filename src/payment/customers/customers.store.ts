import { Injectable } from '@nestjs/common';
import { IdentityPrisma, type User } from '../../prisma/identity/index.js';

/** A user with their ids at the payment providers. */
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

  /** Sets the user's customer at Stripe, if it is still `former`. @returns the customer that the user has now */
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
