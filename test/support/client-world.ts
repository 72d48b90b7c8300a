import {
  createClient,
  memoryStorage,
  type VpnClient,
  type VpnClientOptions,
  type WalletStorage,
} from '@vpn-backend/client';
import { MemoryDriver, NodeAgent } from 'vpn-node-agent';
import { NodeDirectoryService } from '../../src/nodes/index.js';
import { type Env } from './app.js';
import { addLocation, enrolmentToken, wireguardKey } from './fleet.js';
import { type SignedIn } from './gatekeeper.js';
import { query } from './stack.js';
import { startTwoSides, type TwoSides } from './two-sides.js';

/** Both sides, running, and a second location with a node that acknowledges peers. */
export interface ClientWorld extends TwoSides {
  readonly otherLocation: string;
  /** A client of a new user with a trial, on the service's clock. */
  newClient(options?: Partial<VpnClientOptions>): Promise<NewClient>;
  /** All connections that were ever made, including ended ones. */
  connectionIds(): Promise<string[]>;
  /** `pending`, `active`, `ending` or `ended`. */
  connectionState(id: string): Promise<string | undefined>;
  /** How many tokens were signed for the user. */
  countSigned(user: SignedIn): Promise<number>;
}

interface NewClient {
  readonly user: SignedIn;
  readonly client: VpnClient;
  readonly wallet: WalletStorage;
  /** Another client of the same user with the same wallet, as after a restart. */
  readonly again: (options?: Partial<VpnClientOptions>) => VpnClient;
}

const password = 'correct horse battery';

/** Signs up at the identity provider as an app does, with a verified address. */
export async function signUp(firebaseUrl: string): Promise<{ email: string; password: string }> {
  const email = `${crypto.randomUUID()}@example.com`;
  const call = async (path: string, body: object) => {
    const answer = await fetch(`${firebaseUrl}/identitytoolkit.googleapis.com/v1/accounts:${path}?key=any`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return (await answer.json()) as { idToken: string };
  };
  const { idToken } = await call('signUp', { email, password, returnSecureToken: true });
  await call('sendOobCode', { requestType: 'VERIFY_EMAIL', idToken });
  const codes = await fetch(`${firebaseUrl}/emulator/v1/projects/demo-vpn/oobCodes`);
  const { oobCodes } = (await codes.json()) as { oobCodes: { email: string; oobCode: string }[] };
  await call('update', { oobCode: oobCodes.find((code) => code.email === email)?.oobCode });
  return { email, password };
}

export const idTokenOf = ({ headers }: SignedIn) => headers.authorization.slice('Bearer '.length);

/** @param common settings of both sides */
export async function startClientWorld(common: Env = {}): Promise<ClientWorld> {
  const sides = await startTwoSides(common);
  const { gatekeeper, anonymizer } = sides;
  const otherLocation = 'nl-amsterdam';
  // No agent serves this node, so a client that lets the service choose a location could wait for it.
  await query(gatekeeper.stack.ownerUrl, `UPDATE network."Node" SET status = 'draining' WHERE id = $1`, [
    sides.node.id,
  ]);
  await addLocation(anonymizer, otherLocation, { country: 'NL', city: 'Amsterdam' });
  const agent = await NodeAgent.enrol({
    backendUrl: anonymizer.url,
    enrolmentToken: await enrolmentToken(anonymizer, 1, otherLocation),
    node: { publicKey: wireguardKey(), ip: '127.0.0.1', locationId: otherLocation },
    driver: new MemoryDriver(),
  });
  agent.start();
  await agent.whenSynced();
  await anonymizer.app.get(NodeDirectoryService, { strict: false }).refresh();
  return {
    ...sides,
    otherLocation,
    newClient: async (options = {}) => {
      const user = await gatekeeper.signInWithTrial();
      const wallet = options.wallet ?? memoryStorage();
      const again = (changes: Partial<VpnClientOptions> = {}) =>
        createClient({
          gatekeeperUrl: gatekeeper.service.url,
          anonymizerUrl: anonymizer.url,
          getIdToken: () => idTokenOf(user),
          now: () => gatekeeper.clock.now().getTime(),
          tokensPerDay: 2,
          ...options,
          wallet,
          ...changes,
        });
      return { user, client: again(), wallet, again };
    },
    connectionIds: async () => {
      const rows = await query<{ id: string }>(gatekeeper.stack.ownerUrl, 'SELECT id FROM network."Connection"');
      return rows.map(({ id }) => id);
    },
    connectionState: async (id) => {
      const text = 'SELECT status::text FROM network."Connection" WHERE id = $1';
      const [row] = await query<{ status: string }>(gatekeeper.stack.ownerUrl, text, [id]);
      return row?.status;
    },
    countSigned: async ({ uid }) => {
      const [row] = await query<{ n: number }>(
        gatekeeper.stack.ownerUrl,
        `SELECT coalesce(sum(cardinality(hashes)), 0)::int AS n FROM identity."TokenIssuance"
         WHERE user_id = (SELECT id FROM identity."User" WHERE firebase_uid = $1)`,
        [uid],
      );
      return row?.n ?? 0;
    },
    stop: async () => {
      await agent.stop();
      await sides.stop();
    },
  };
}
