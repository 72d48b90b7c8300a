import { Global, Module } from '@nestjs/common';
import { Background } from './background.js';
import { HealthController } from './health.controller.js';
import { MetricsServer } from './metrics-server.js';
import { Readiness } from './readiness.js';

@Global()
@Module({
  controllers: [HealthController],
  providers: [Background, Readiness, MetricsServer],
  exports: [Background, Readiness, MetricsServer],
})
export class HealthModule {}
