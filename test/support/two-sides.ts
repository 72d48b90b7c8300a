import { generateKeyPairSync } from 'node:crypto';
import { expect, vi } from 'vitest';
import { createClient, type VpnClient } from '@vpn-backend/client';
import { MemoryDriver, NodeAgent } from 'vpn-node-agent';
import { freePort } from '../../dev/services/server-process.js';
import { KnownLocationsService } from '../../src/preferences/index.js';
import { anonymizerEnv, type Env, startTestApp, type TestApp } from './app.js';
import { addLocation, enrolmentToken, enrolNode, type TestNode } from './fleet.js';
import { type SignedIn, startGatekeeper, type TestGatekeeper } from './gatekeeper.js';

/** Both sides as separate services, as two operators would run them, with a user on trial and a node with an agent. */
export interface TwoSides {
  readonly gatekeeper: TestGatekeeper;
  readonly anonymizer: TestApp;
  readonly person: SignedIn;
  /** Authenticated as the user at the gatekeeper, and anonymous at the anonymizer. */
  readonly client: VpnClient;
  /** A node without an agent, in a location of its own. The test has its credential. */
  readonly node: TestNode;
  /** The location of the node with an agent. */
  readonly location: string;
  stop(): Promise<void>;
}

/** A WireGuard public key as `wg pubkey` prints it. */
const publicKey = () =>
  generateKeyPairSync('x25519').publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64');

export const locationsAt = (port: number) => `http://127.0.0.1:${port}/vpn/locations`;

async function knowsLocation({ service }: TestGatekeeper, location: string): Promise<boolean> {
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
 * @param given a gatekeeper that runs already, with the URL at which the locations will be served
 */
export async function startTwoSides(common: Env = {}, given?: TestGatekeeper): Promise<TwoSides> {
  const known = given?.service.config.gatekeeper?.locationsUrl;
  // Each side gets the other's URL before the other has started.
  const port = known === undefined ? await freePort() : Number(new URL(known).port);
  const gatekeeper = given ?? (await startGatekeeper({ LOCATIONS_URL: locationsAt(port), ...common }));
  const { stack, clock, service } = gatekeeper;
  const directory = `${service.url}/.well-known/private-token-issuer-directory`;
  // A long timeout, because nodes may be slow on a busy machine.
  const role = { SERVICE_ROLE: 'anonymizer', PORT: String(port), NODE_ACK_TIMEOUT_MS: '4000' };
  const env = { ...role, ...anonymizerEnv(stack), ISSUER_DIRECTORY_URL: directory, ...common };
  const anonymizer = await startTestApp(env, clock);
  // On a busy machine, the first fetch of the issuer's keys may come too early. It is retried every second.
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
  await vi.waitUntil(() => knowsLocation(gatekeeper, 'se-stockholm'), { timeout: 30_000 });
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
