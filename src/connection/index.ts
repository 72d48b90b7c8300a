export { type LiveConnection } from './connection.js';
export { tokenHashOf } from './connection-id.js';
export { ConnectionModule } from './connection.module.js';
export { ConnectionSecrets } from './connection-secrets.js';
export { type KnownRow } from './known-row.js';
export { Placements } from './placements.js';
export { UsageStatistics } from './usage-statistics.js';
