export { addJob, IdentityJobs, jobForEach, jobs, personOf } from './identity-jobs.js';
export { IdentityJobsModule } from './jobs.module.js';
