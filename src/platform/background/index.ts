export { Background } from './background.js';
export { BackgroundModule } from './background.module.js';
export { LatestRead } from './latest-read.js';
export { Repeater } from './repeater.js';
export { every, Upkeep, upkeepJobs } from './upkeep.js';
