export { type KnownConnection, type LiveConnection, type WantedConnection } from './connection.js';
export { connectionIdOf, tokenHashOf } from './connection-id.js';
export { ConnectionModule } from './connection.module.js';
export { ConnectionSecrets, saltBytes, secretHashOf } from './connection-secrets.js';
export { dayOf, expiryOf } from './connection-times.js';
export { Placements } from './placements.js';
export { UsageStatistics } from './usage-statistics.js';
