export { Background } from './background.js';
export { BackgroundModule } from './background.module.js';
export { LatestRead } from './latest-read.js';
export { Repeater } from './repeater.js';
export { withTimeLimit } from './time-limit.js';
export { every, type Exclusively, Maintenance, maintenanceJobs } from './maintenance.js';
