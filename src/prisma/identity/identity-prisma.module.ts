import { Global, Module } from '@nestjs/common';
import { IdentityPrisma, IdentityMaintenance } from './identity-prisma.js';

const providers = [IdentityPrisma, IdentityMaintenance];

@Global()
@Module({ providers, exports: providers })
export class IdentityPrismaModule {}
