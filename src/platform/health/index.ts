export { HealthModule } from './health.module.js';
export { MetricsServer } from './metrics-server.js';
export { Readiness } from './readiness.js';
