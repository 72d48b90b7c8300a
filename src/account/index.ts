export { AccountModule } from './account.module.js';
export { AccountDeletionService } from './account-deletion.service.js';
export { AccountExportService } from './account-export.service.js';
