export { Background, type BackgroundWork } from './background.js';
export { HealthModule } from './health.module.js';
export { MetricsServer } from './metrics-server.js';
export { Readiness, type ReadinessCheck, type ReadinessReport } from './readiness.js';
