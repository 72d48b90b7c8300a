import 'reflect-metadata';
import { type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import { type AppConfig, type Clock, SystemClock } from './config/index.js';
import { Background, Readiness } from './health/index.js';
import { fastifyAdapter, prepareFastify, serveReference } from './http/index.js';
import { FrameworkLogger, SideLogger } from './logger/index.js';

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

/** Builds the gatekeeper without its API, for the work that runs beside requests. */
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

/** Leaves gracefully: tells load balancers, closes streams, lets running requests end, then closes the stores. */
export async function drain(app: NestFastifyApplication): Promise<void> {
  app.get(Readiness).drain();
  await app.close();
}
