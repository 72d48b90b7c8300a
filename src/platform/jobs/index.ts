export { onEvent, raiseEvent } from './events.js';
export { addJob, IdentityJobs, jobs, personOf } from './identity-jobs.js';
export { handles, jobHandlers } from './job-handlers.js';
export { IdentityJobsModule } from './jobs.module.js';
