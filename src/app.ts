import { setTimeout as sleep } from 'node:timers/promises';
import 'reflect-metadata';
import { type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import { FrameworkLogger, SideLogger } from './logger/index.js';
import { Background } from './platform/background/index.js';
import { type AppConfig, type Clock, type CommonConfig, SystemClock } from './platform/config/index.js';
import { Readiness } from './platform/health/index.js';
import { fastifyAdapter, prepareFastify, serveReference } from './platform/http/index.js';

/** Builds the service that a configuration describes, without starting its background work or listening. */
export async function createApp(config: AppConfig, clock: Clock = new SystemClock()): Promise<NestFastifyApplication> {
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.with(config, clock),
    fastifyAdapter(config.common),
    {
      bodyParser: false,
      abortOnError: false,
      logger: new FrameworkLogger(new SideLogger('process', 'stdout', config.common, clock)),
    },
  );
  await prepareFastify(app, config.common);
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onClose', async () => app.get(Background).stop());
  serveReference(app);
  await app.init();
  return app;
}

/** Builds the gatekeeper without its API, to run jobs and maintenance. */
export async function createWorker({ common, gatekeeper }: AppConfig): Promise<INestApplicationContext> {
  return NestFactory.createApplicationContext(AppModule.with({ common, gatekeeper }), {
    abortOnError: false,
    logger: new FrameworkLogger(new SideLogger('process', 'stdout', common, new SystemClock())),
  });
}

/** Starts the background work and listens; resolves to the port once requests are answered. */
export async function serve(app: NestFastifyApplication, config: AppConfig): Promise<number> {
  await app.get(Background).start();
  const server = (await app.listen(config.common.port, config.common.host)) as { address(): { port: number } };
  return server.address().port;
}

/**
 * Shuts down gracefully. `/health/ready` answers `draining` for `SHUTDOWN_NOTICE_S` while requests are still served, so that load
 * balancers stop sending new ones. Then streams are closed, running requests finish, and the stores are closed.
 */
export async function drain(app: NestFastifyApplication, { shutdownNoticeS }: CommonConfig): Promise<void> {
  app.get(Readiness).drain();
  await sleep(shutdownNoticeS * 1_000);
  await app.close();
}
