import { Global, Module } from '@nestjs/common';
import { IdentityMaintenance } from '../../prisma/identity/index.js';
import { every, maintenanceJobs } from '../background/index.js';
import { deadWorkersSeconds, IdentityJobs } from './identity-jobs.js';

@Global()
@Module({
  providers: [
    IdentityJobs,
    ...maintenanceJobs(
      IdentityMaintenance,
      every(deadWorkersSeconds, 'dead-workers', IdentityJobs, (jobs) => jobs.releaseJobsOfDeadWorkers()),
      every(3_600, 'purge-failed-jobs', IdentityJobs, (jobs) => jobs.purgeFailed()),
    ),
  ],
  exports: [IdentityJobs],
})
export class IdentityJobsModule {}
