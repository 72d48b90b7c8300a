import { Injectable } from '@nestjs/common';
import { IdentityPrisma } from '../../prisma/identity/index.js';

@Injectable()
export class CheckoutStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /** Lets one attempt of a person begin, unless another holds the lease. This statement decides. @returns whether it may */
  async lease(userId: string, attempt: string, now: Date, until: Date): Promise<boolean> {
    const rows = await this.prisma.$executeRaw`
      INSERT INTO "CheckoutLease" AS l (user_id, attempt, until) VALUES (${userId}::uuid, ${attempt}::uuid, ${until})
      ON CONFLICT (user_id) DO UPDATE SET attempt = excluded.attempt, until = excluded.until WHERE l.until <= ${now}`;
    return rows > 0;
  }

  /** Makes an attempt's lease last longer. @returns false when another attempt has taken it: this one must open nothing */
  async renew(userId: string, attempt: string, until: Date): Promise<boolean> {
    const rows = await this.prisma.$executeRaw`
      UPDATE "CheckoutLease" SET until = ${until} WHERE user_id = ${userId}::uuid AND attempt = ${attempt}::uuid`;
    return rows > 0;
  }

  /** Whether they ever tried to buy: Stripe may have a customer of theirs though nobody was told. */
  async hasTried(userId: string): Promise<boolean> {
    const rows = await this.prisma.$queryRaw<unknown[]>`SELECT FROM "CheckoutLease" WHERE user_id = ${userId}::uuid`;
    return rows.length > 0;
  }

  /** Lets the next attempt begin. The row stays, and does not say when the person tried. */
  async release(userId: string, attempt: string): Promise<void> {
    await this.prisma.$executeRaw`
      UPDATE "CheckoutLease" SET until = 'epoch' WHERE user_id = ${userId}::uuid AND attempt = ${attempt}::uuid`;
  }
}
