export { migrate, type MigrateOptions } from './migrate.js';
export { modelFile, readModel, type Side, sides } from './migration-files.js';
export { withSchemaEngine } from './schema-engine.js';
export { grantConnection } from './runtime-role.js';
