import { generateKeyPairSync } from 'node:crypto';
import { type INestApplicationContext, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { LoggerModule } from '../../src/logger/index.js';
import { EnrolmentTokensService, OperatorLocationsService, NodesModule } from '../../src/nodes/index.js';
import { Background } from '../../src/platform/background/index.js';
import { type Clock, ConfigModule, loadConfig } from '../../src/platform/config/index.js';
import { HealthModule } from '../../src/platform/health/index.js';
import { AnonymizerRateLimitModule } from '../../src/platform/rate-limit/index.js';
import { AnonymizerRedisModule } from '../../src/platform/redis/index.js';
import { NetworkPrismaModule } from '../../src/prisma/network/index.js';
import { anonymizerEnv, publicSettings, type TestApp } from './app.js';
import { whenNotBusy } from './patiently.js';
import { type TestStack } from './stack.js';

/** What a test needs to send requests as a node. */
export interface TestNode {
  readonly id: string;
  readonly publicKey: string;
  credential: string;
}

/** A fresh WireGuard public key, as `wg pubkey` prints it. */
export function wireguardKey(): string {
  const spki = generateKeyPairSync('x25519').publicKey.export({ format: 'der', type: 'spki' });
  return spki.subarray(-32).toString('base64');
}

const frankfurt = { id: 'de-frankfurt', country: 'DE', city: 'Frankfurt', latitude: 50.1, longitude: 8.7 };

/** An application that contains the services of the nodes module. */
interface WithNodes {
  readonly app: INestApplicationContext;
}

/** A replica with only the services of the nodes module: no HTTP, and no background jobs until `start`. */
export interface FleetReplica extends WithNodes {
  /** Starts the background jobs, as a running process does. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export async function createFleetReplica(
  stack: Pick<TestStack, 'networkUrl' | 'redisUrl'>,
  clock: Clock,
  modules: Type[] = [NodesModule],
): Promise<FleetReplica> {
  const role = { SERVICE_ROLE: 'anonymizer', ISSUER_DIRECTORY_URL: 'http://127.0.0.1:9/' };
  const config = loadConfig({ ...publicSettings, ...role, ...anonymizerEnv(stack) });
  const platform = [ConfigModule.with(config, clock), LoggerModule.with(config), HealthModule];

  const stores = [NetworkPrismaModule, AnonymizerRedisModule, AnonymizerRateLimitModule];

  @Module({ imports: [...platform, ...stores, ...modules] })
  class Replica {}

  const app = await NestFactory.createApplicationContext(Replica, { abortOnError: false, logger: false });
  return {
    app,
    start: () => app.get(Background).start(),
    stop: async () => {
      await app.get(Background).stop();
      await app.close();
    },
  };
}

export async function addLocation(
  { app }: WithNodes,
  id = frankfurt.id,
  place: { readonly country?: string; readonly city?: string } = {},
): Promise<void> {
  await whenNotBusy(() => app.get(OperatorLocationsService, { strict: false }).add({ ...frankfurt, id, ...place }));
}

/** Creates an enrolment token as the operator would. */
export async function enrolmentToken({ app }: WithNodes, uses = 1, locationId = frankfurt.id): Promise<string> {
  const created = await whenNotBusy(() =>
    app.get(EnrolmentTokensService, { strict: false }).create({ locationId, uses }),
  );
  return created.token;
}

/** Sends JSON, with a bearer if given. */
export async function postJson(url: string, body: unknown, bearer?: string): Promise<Response> {
  const headers = { 'content-type': 'application/json', ...(bearer ? { authorization: `Bearer ${bearer}` } : {}) };
  return fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
}

/** Enrols a node over HTTP. */
export async function enrolNode(service: TestApp, overrides: Record<string, unknown> = {}): Promise<TestNode> {
  const registration = { public_key: wireguardKey(), ip: '127.0.0.1', location_id: frankfurt.id, ...overrides };
  const token = await enrolmentToken(service, 1, registration.location_id);
  const response = await postJson(`${service.url}/node/register`, registration, token);
  if (response.status !== 201) throw new Error(`a node could not enrol: ${await response.text()}`);
  const { id, credential } = (await response.json()) as { id: string; credential: string };
  return { id, credential, publicKey: registration.public_key };
}

export async function pulse({ url }: TestApp, { id, credential }: TestNode, currentLoad = 10): Promise<Response> {
  return postJson(`${url}/node/${id}/pulse`, { currentLoad }, credential);
}
