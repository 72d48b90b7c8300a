import { Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { IssuerKeysService, IssuerModule } from '../../src/crypto/issuer/index.js';
import { VerifierKeysService, VerifierModule } from '../../src/crypto/verifier/index.js';
import { LoggerModule } from '../../src/logger/index.js';
import { Background } from '../../src/platform/background/index.js';
import { type Clock, ConfigModule, loadConfig } from '../../src/platform/config/index.js';
import { HealthModule } from '../../src/platform/health/index.js';
import { fastifyAdapter, HttpModule, prepareFastify } from '../../src/platform/http/index.js';
import { IdentityPrismaModule, IdentityMaintenance } from '../../src/prisma/identity/index.js';
import { NetworkPrismaModule, NetworkMaintenance } from '../../src/prisma/network/index.js';
import { type Env, publicSettings } from './app.js';

/** A replica of the issuer, the verifier or both, with real databases and no other modules. */
export interface CryptoSides {
  readonly app: NestFastifyApplication;
  readonly issuer: IssuerKeysService;
  readonly verifier: VerifierKeysService;
  readonly identityMaintenance: IdentityMaintenance;
  readonly networkMaintenance: NetworkMaintenance;
  /** Starts the background jobs, as a running process does. */
  start(): Promise<void>;
  /** Starts to listen for requests, and returns the address. */
  listen(): Promise<string>;
  stop(): Promise<void>;
}

export async function createCryptoSides(env: Env, clock: Clock): Promise<CryptoSides> {
  const config = loadConfig({ ...publicSettings, ...env });
  const sides: Type[] = [
    ...(config.gatekeeper ? [IdentityPrismaModule, IssuerModule] : []),
    ...(config.anonymizer ? [NetworkPrismaModule, VerifierModule] : []),
  ];

  @Module({
    imports: [ConfigModule.with(config, clock), LoggerModule.with(config), HealthModule, HttpModule, ...sides],
  })
  class Replica {}

  const app = await NestFactory.create<NestFastifyApplication>(Replica, fastifyAdapter(config.common), {
    abortOnError: false,
    bodyParser: false,
    logger: false,
  });
  await prepareFastify(app, config.common);
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onClose', async () => app.get(Background).stop());
  await app.init();
  return {
    app,
    get issuer() {
      return app.get(IssuerKeysService, { strict: false });
    },
    get verifier() {
      return app.get(VerifierKeysService, { strict: false });
    },
    get identityMaintenance() {
      return app.get(IdentityMaintenance, { strict: false });
    },
    get networkMaintenance() {
      return app.get(NetworkMaintenance, { strict: false });
    },
    start: () => app.get(Background).start(),
    listen: async () => {
      await app.listen(0, '127.0.0.1');
      return app.getUrl();
    },
    stop: () => app.close(),
  };
}
