export { type LiveConnection } from './connection.js';
export { tokenHashOf } from './connection-id.js';
export { ConnectionModule } from './connection.module.js';
export { ConnectionSecretsService } from './connection-secrets.service.js';
export { type KnownRow } from './known-row.js';
export { PlacementsService } from './placements.service.js';
export { UsageStatisticsService } from './usage-statistics.service.js';
