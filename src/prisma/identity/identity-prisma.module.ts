import { Global, Module } from '@nestjs/common';
import { IdentityPrisma, IdentityUpkeep } from './identity-prisma.js';

const providers = [IdentityPrisma, IdentityUpkeep];

@Global()
@Module({ providers, exports: providers })
export class IdentityPrismaModule {}
