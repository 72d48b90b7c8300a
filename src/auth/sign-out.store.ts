import { Injectable } from '@nestjs/common';
import { type Act, IdentityPrisma, recordAct } from '../prisma/identity/index.js';

@Injectable()
export class SignOutStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  async record(act: Act): Promise<void> {
    await this.prisma.$executeRaw(recordAct(act));
  }
}
