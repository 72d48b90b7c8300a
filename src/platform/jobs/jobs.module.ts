import { Global, Module } from '@nestjs/common';
import { IdentityJobs } from './identity-jobs.js';

@Global()
@Module({ providers: [IdentityJobs], exports: [IdentityJobs] })
export class IdentityJobsModule {}
