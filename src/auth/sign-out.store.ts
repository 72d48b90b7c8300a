import { Injectable } from '@nestjs/common';
import { type Act, areWoken, IdentityPrisma, Prisma, recordAct, self, telling } from '../prisma/identity/index.js';

@Injectable()
export class SignOutStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /** Writes it down and tells the person. */
  async record(act: Act): Promise<void> {
    await this.prisma.$queryRaw`
      WITH noted AS (${recordAct(act)} RETURNING id, user_id), ${telling(Prisma.sql`
        SELECT user_id, 'signed_out_everywhere' AS kind, 'signed_out_everywhere:' || id AS cause,
          jsonb_build_object('byOperator', ${act.actor !== self}::boolean) AS facts, ${act.at}::timestamptz AS at
        FROM noted`)}
      SELECT ${areWoken}`;
  }
}
