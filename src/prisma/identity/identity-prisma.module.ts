import { Global, Module } from '@nestjs/common';
import { IdentityPrisma, IdentityUpkeep } from './identity-prisma.js';

@Global()
@Module({ providers: [IdentityPrisma, IdentityUpkeep], exports: [IdentityPrisma, IdentityUpkeep] })
export class IdentityPrismaModule {}
