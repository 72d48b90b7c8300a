import { generateKeyPairSync } from 'node:crypto';
import { createClient, type VpnClient } from '@vpn-backend/client';
import { MemoryDriver, NodeAgent } from 'vpn-node-agent';
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

/**
 * @param common settings of both sides
 * @param given a gatekeeper that runs already
 */
export async function startTwoSides(common: Env = {}, given?: TestGatekeeper): Promise<TwoSides> {
  const gatekeeper = given ?? (await startGatekeeper(common));
  const { stack, clock, service } = gatekeeper;
  const directory = `${service.url}/.well-known/private-token-issuer-directory`;
  const env = { SERVICE_ROLE: 'anonymizer', ...anonymizerEnv(stack), ISSUER_DIRECTORY_URL: directory, ...common };
  const anonymizer = await startTestApp(env, clock);
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
  const getIdToken = () => person.headers.authorization.slice('Bearer '.length);
  return {
    gatekeeper,
    anonymizer,
    person,
    client: createClient({ gatekeeperUrl: service.url, anonymizerUrl: anonymizer.url, getIdToken }),
    node,
    location: 'de-frankfurt',
    stop: async () => {
      await agent.stop();
      await anonymizer.stop();
      await gatekeeper.stop();
    },
  };
}
