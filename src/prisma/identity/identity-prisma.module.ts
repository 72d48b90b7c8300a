import { Global, Module } from '@nestjs/common';
import { IdentityJobs } from './identity-jobs.js';
import { IdentityPrisma, IdentityUpkeep } from './identity-prisma.js';

const providers = [IdentityPrisma, IdentityUpkeep, IdentityJobs];

@Global()
@Module({ providers, exports: providers })
export class IdentityPrismaModule {}
