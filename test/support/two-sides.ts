import { generateKeyPairSync } from 'node:crypto';
import { expect, vi } from 'vitest';
import { createClient, type VpnClient } from '@vpn-backend/client';
import { MemoryDriver, NodeAgent } from 'vpn-node-agent';
import { freePort } from '../../dev/services/server-process.js';
import { KnownLocationsService } from '../../src/preferences/index.js';
import { anonymizerEnv, type Env, startTestApp, type TestApp } from './app.js';
import { addLocation, enrolmentToken, enrolNode, type TestNode } from './fleet.js';
import { type SignedIn, startGatekeeper, type TestGatekeeper } from './gatekeeper.js';

/** Both sides as two services, as two operators run them, with somebody on trial and a node that acknowledges. */
export interface TwoSides {
  readonly gatekeeper: TestGatekeeper;
  readonly anonymizer: TestApp;
  readonly person: SignedIn;
  /** Speaks for the person to the gatekeeper, and for nobody to the anonymizer. */
  readonly client: VpnClient;
  /** A node that no agent serves, in a location of its own: its credential is the test's. */
  readonly node: TestNode;
  /** Where an agent serves a node. */
  readonly location: string;
  stop(): Promise<void>;
}

/** A WireGuard public key as `wg pubkey` prints it. */
const publicKey = () =>
  generateKeyPairSync('x25519').publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64');

export const locationsAt = (port: number) => `http://127.0.0.1:${port}/vpn/locations`;

async function knows({ service }: TestGatekeeper, location: string): Promise<boolean> {
  const known = service.app.get(KnownLocationsService, { strict: false });
  await known.refresh();
  try {
    return known.has(location);
  } catch {
    return false;
  }
}

/**
 * @param common settings of both sides
 * @param given a gatekeeper that runs already, and knows where the locations will be
 */
export async function startTwoSides(common: Env = {}, given?: TestGatekeeper): Promise<TwoSides> {
  const known = given?.service.config.gatekeeper?.locationsUrl;
  // Each side is told the other's address before that is up.
  const port = known === undefined ? await freePort() : Number(new URL(known).port);
  const gatekeeper = given ?? (await startGatekeeper({ LOCATIONS_URL: locationsAt(port), ...common }));
  const { stack, clock, service } = gatekeeper;
  const directory = `${service.url}/.well-known/private-token-issuer-directory`;
  // A busy machine must not make it a failure that a node was slow.
  const role = { SERVICE_ROLE: 'anonymizer', PORT: String(port), NODE_ACK_TIMEOUT_MS: '4000' };
  const env = { ...role, ...anonymizerEnv(stack), ISSUER_DIRECTORY_URL: directory, ...common };
  const anonymizer = await startTestApp(env, clock);
  // Its first look at the issuer's keys may have come too early, on a busy machine: it looks again every second.
  await vi.waitFor(
    async () => expect(await (await fetch(`${anonymizer.url}/health/ready`)).json()).toMatchObject({ status: 'ready' }),
    30_000,
  );
  await addLocation(anonymizer, 'de-frankfurt');
  await addLocation(anonymizer, 'se-stockholm', { country: 'SE', city: 'Stockholm' });
  const agent = await NodeAgent.enrol({
    backendUrl: anonymizer.url,
    enrolmentToken: await enrolmentToken(anonymizer),
    node: { publicKey: publicKey(), ip: '127.0.0.1', locationId: 'de-frankfurt' },
    driver: new MemoryDriver(),
  });
  agent.start();
  const [, node, person] = await Promise.all([
    agent.whenSynced(),
    enrolNode(anonymizer, { location_id: 'se-stockholm' }),
    gatekeeper.signInWithTrial(),
  ]);
  await vi.waitUntil(() => knows(gatekeeper, 'se-stockholm'), { timeout: 30_000 });
  const getIdToken = () => person.headers.authorization.slice('Bearer '.length);
  return {
    gatekeeper,
    anonymizer,
    person,
    client: createClient({
      gatekeeperUrl: service.url,
      anonymizerUrl: anonymizer.url,
      getIdToken,
      now: () => clock.now().getTime(),
    }),
    node,
    location: 'de-frankfurt',
    stop: async () => {
      await agent.stop();
      await anonymizer.stop();
      await gatekeeper.stop();
    },
  };
}
