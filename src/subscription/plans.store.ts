import { Injectable } from '@nestjs/common';
import { IdentityPrisma } from '../prisma/identity/index.js';
import { type Plan } from './subscription-state.js';

@Injectable()
export class PlansStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  async list(): Promise<Plan[]> {
    return this.prisma.plan.findMany({ orderBy: { id: 'asc' } });
  }

  async set({ id, name, dailyTokens }: Plan): Promise<void> {
    await this.prisma.$executeRaw`
      INSERT INTO "Plan" (id, name, daily_tokens) VALUES (${id}, ${name}, ${dailyTokens})
      ON CONFLICT (id) DO UPDATE SET name = excluded.name, daily_tokens = excluded.daily_tokens`;
  }
}
