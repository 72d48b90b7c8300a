export { addJob, jobForEach, userIdOf, userJobs } from './add-jobs.js';
export { onEvent, raiseEvent } from './events.js';
export { IdentityJobs } from './identity-jobs.js';
export { handles, jobHandlers } from './job-handlers.js';
export { IdentityJobsModule } from './jobs.module.js';
