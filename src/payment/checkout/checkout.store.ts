import { Injectable } from '@nestjs/common';
import { IdentityPrisma } from '../../prisma/identity/index.js';

@Injectable()
export class CheckoutStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /** Takes the user's lease for an attempt, unless another attempt holds it. @returns whether the attempt may start */
  async lease(userId: string, attempt: string, now: Date, until: Date): Promise<boolean> {
    const rows = await this.prisma.$executeRaw`
      INSERT INTO "CheckoutLease" AS l (user_id, attempt, until) VALUES (${userId}::uuid, ${attempt}::uuid, ${until})
      ON CONFLICT (user_id) DO UPDATE SET attempt = excluded.attempt, until = excluded.until WHERE l.until <= ${now}`;
    return rows > 0;
  }

  /** Extends an attempt's lease. @returns false if another attempt has taken it: this one must not open a checkout */
  async renew(userId: string, attempt: string, until: Date): Promise<boolean> {
    const rows = await this.prisma.$executeRaw`
      UPDATE "CheckoutLease" SET until = ${until} WHERE user_id = ${userId}::uuid AND attempt = ${attempt}::uuid`;
    return rows > 0;
  }

  /** Whether the user has ever started a checkout. If so, Stripe may have a customer that was never recorded here. */
  async hasEverStarted(userId: string): Promise<boolean> {
    const rows = await this.prisma.$queryRaw<unknown[]>`SELECT FROM "CheckoutLease" WHERE user_id = ${userId}::uuid`;
    return rows.length > 0;
  }

  /** Releases the lease. The row stays, for `hasEverStarted`, but no longer shows when. */
  async release(userId: string, attempt: string): Promise<void> {
    await this.prisma.$executeRaw`
      UPDATE "CheckoutLease" SET until = 'epoch' WHERE user_id = ${userId}::uuid AND attempt = ${attempt}::uuid`;
  }
}
