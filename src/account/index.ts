export { AccountModule } from './account.module.js';
export { AccountDeletions } from './deletion.service.js';
export { AccountExports } from './export.service.js';
