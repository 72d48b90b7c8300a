import { Global, Module } from '@nestjs/common';
import { BackgroundModule } from '../background/index.js';
import { HealthController } from './health.controller.js';
import { MetricsServer } from './metrics-server.js';
import { Readiness } from './readiness.js';

@Global()
@Module({
  imports: [BackgroundModule],
  controllers: [HealthController],
  providers: [Readiness, MetricsServer],
  exports: [Readiness, MetricsServer],
})
export class HealthModule {}
