import { fileURLToPath } from 'node:url';
import {
  blind,
  createClient,
  finalize,
  generateWireguardKeyPair,
  insertPrivateKey,
  parseWireguardConf,
  toQrText,
  VpnApiError,
} from '@vpn-backend/client';
import { MemoryDriver, NodeAgent } from 'vpn-node-agent';
import { check, Narrator, short } from './demo/narrator.js';
import { signUp } from './demo/user.js';
import { dump, formsOf } from './demo/search.js';
import { enterLab, labSettings, showTunnel } from './demo/tunnel.js';
import { stopRequested } from './stack/stop-requested.js';
import { operatorOf } from './stack/operator.js';
import { projectId, type Stack, startStack } from './stack/stack.js';

/** `npm run demo`: one user, one anonymous connection. Every step shows what each side learns from it. */

const locations: readonly (readonly [id: string, ...options: string[]])[] = [
  ['de-frankfurt', '--country', 'DE', '--city', 'Frankfurt', '--latitude', '50.11', '--longitude', '8.68'],
  ['se-stockholm', '--country', 'SE', '--city', 'Stockholm', '--latitude', '59.33', '--longitude', '18.07'],
];

interface DemoNode {
  readonly agent: NodeAgent;
  readonly driver: MemoryDriver;
}

const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');

/** Enrols a node with a real WireGuard key in each of two locations, as an operator does. */
async function enrolNodes(stack: Stack): Promise<DemoNode[]> {
  const operator = operatorOf(stack.env);
  const enrol = async ([id, ...options]: (typeof locations)[number]): Promise<DemoNode> => {
    await operator('locations', 'add', id, ...options);
    const { token } = await operator<{ token: string }>('enrolment', 'create', id, '--uses', '1');
    const { publicKey } = await generateWireguardKeyPair();
    const driver = new MemoryDriver();
    const agent = await NodeAgent.enrol({
      backendUrl: stack.service.url,
      enrolmentToken: token,
      node: { publicKey, ip: '127.0.0.1', locationId: id },
      driver,
    });
    agent.start();
    await agent.whenSynced();
    return { agent, driver };
  };
  return Promise.all(locations.map(enrol));
}

async function runDemo(stack: Stack, narrator: Narrator, nodes: DemoNode[]): Promise<void> {
  const { url } = stack.service;
  const [frankfurt] = nodes;
  const user = await narrator.step('signUp', 'Sign up at Firebase and prove the e-mail address', () =>
    signUp(stack.firebase.url, projectId, 'ada@example.com'),
  );
  const client = createClient({ gatekeeperUrl: url, anonymizerUrl: url, getIdToken: () => user.idToken() });

  const subscription = await narrator.step('trial', 'Start the trial', () => client.startTrial());
  narrator.learned('gatekeeper', `${user.email} has a trial until ${String(subscription['until'])}`);
  narrator.learned('anonymizer', 'nothing');

  const { key, challengeDigest } = await narrator.step(
    'directory',
    'Compare the issuer keys that both sides publish',
    () => client.issuerKey(),
  );
  narrator.learned('device', `key ${short(base64url(key.keyId))}, the same from both sides`);

  const blinded = await narrator.step('blind', 'Make a token and blind it', () => blind(key, challengeDigest));
  narrator.learned(
    'device',
    `token ${short(base64url(blinded.token))}, blinded ${short(base64url(blinded.blindedToken))}`,
  );

  const blindSignature = await narrator.step('sign', 'Have the blinded token signed', async () => {
    const [signature] = await client.signBlinded([blinded]);
    check(signature?.length === 256, 'a blind signature comes back');
    return signature;
  });
  narrator.learned(
    'gatekeeper',
    `${user.email} had one message signed; it saw ${short(base64url(blinded.blindedToken))} only`,
  );
  narrator.learned('anonymizer', 'nothing');

  const signature = await narrator.step('unblind', 'Unblind the signature and verify it', () =>
    finalize(blinded, blindSignature),
  );
  const token = { token: base64url(blinded.token), signature: base64url(signature) };
  const keys = await generateWireguardKeyPair();

  const redeemed = await narrator.step('redeem', 'Spend the token, anonymously, for Frankfurt', () =>
    client.redeem({ ...token, location: 'de-frankfurt', publicKey: keys.publicKey }),
  );
  narrator.learned('gatekeeper', 'nothing');
  narrator.learned('anonymizer', `an unknown client spent a valid token; ${short(keys.publicKey)} is now a peer`);
  narrator.learned('node', `${frankfurt?.agent.status().peers ?? 0} peer, ${redeemed.addresses.join(' ')}`);

  await narrator.step('configuration', 'Read the WireGuard configuration', async () => {
    const conf = parseWireguardConf(insertPrivateKey(redeemed.wireguard_conf, keys.privateKey));
    check(conf.peer.publicKey === redeemed.server_public_key, 'the configuration names the node');
    check(conf.peer.allowedIps.join() === '0.0.0.0/0,::/0', 'all traffic goes into the tunnel');
    const peers = await frankfurt?.driver.list();
    check(peers?.some(({ publicKey }) => publicKey === keys.publicKey) === true, 'the node has the peer installed');
  });

  await narrator.step('status', 'Ask for the status of the connection', async () => {
    const status = await client.connectionStatus(redeemed.connection_secret);
    check(status.status === 'active' && status.location === 'de-frankfurt', 'the connection is active in Frankfurt');
  });

  await narrator.step('secondSpend', 'Spend the token again with another key: refused', async () => {
    const thief = await generateWireguardKeyPair();
    const answer = await client
      .redeem({ ...token, location: 'se-stockholm', publicKey: thief.publicKey })
      .catch((error: unknown) => error);
    check(answer instanceof VpnApiError && answer.code === 'token_reused', 'a second redemption is refused');
  });

  await narrator.step('separation', 'Search each side for data that only the other may have', async () => {
    const [identity, network] = [
      await dump(stack.services.ownerUrl, 'identity'),
      await dump(stack.services.ownerUrl, 'network'),
    ];
    const log = stack.service.log();
    const identities = [...formsOf(user.email, 'utf8'), ...formsOf(user.uid, 'utf8')];
    const traffic = [
      ...formsOf(token.token, 'base64url'),
      ...formsOf(token.signature, 'base64url'),
      ...formsOf(keys.publicKey, 'base64'),
      redeemed.connection_id,
      ...formsOf(redeemed.connection_secret, 'base64url'),
    ];
    check(identity.includes(user.uid), 'the search finds the user in the identity database');
    check(
      identities.every((value) => !network.includes(value)),
      'the network database contains no user',
    );
    check(
      traffic.every((value) => !identity.includes(value)),
      'the identity database contains no token, key or connection',
    );
    check(
      [...identities, ...traffic].every((value) => !log.includes(value)),
      'the log contains none of it',
    );
  });

  const fetched = await narrator.step('wallet', 'Fetch a day of tokens into the wallet, as an app does', () =>
    client.wallet.prefetchIfDue(),
  );
  narrator.learned('gatekeeper', `${user.email} had ${fetched} more messages signed`);
  const connection = await narrator.step('connect', 'Connect from the wallet, by the name of a city', () =>
    client.connect({ location: 'Stockholm' }),
  );
  narrator.learned(
    'device',
    `${fetched - 1} tokens left; a QR code of ${toQrText(connection).split('\n').length - 1} lines`,
  );

  await narrator.step('disconnect', 'Disconnect both; the nodes drop the peers', async () => {
    await client.disconnect(connection);
    await client.disconnect(redeemed.connection_secret);
    const peers = async () => (await Promise.all(nodes.map(({ driver }) => driver.list()))).flat().length;
    for (let attempts = 0; attempts < 1_500 && (await peers()) > 0; attempts += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    check((await peers()) === 0, 'no node has a peer');
  });
}

const introduction = `
One user, one anonymous connection

The gatekeeper knows users, and signs tokens without seeing them. The anonymizer knows connections, and accepts tokens without
knowing the user. They share no table, key or log. Below each step: what each of them, the device and the VPN node learns.
`;

const conclusion = `
Every step succeeded, and nothing that either side stores links the user to the connection.
Next: "npm start" runs this stack until you stop it, and README.md shows the API by example.`;

async function main(): Promise<number> {
  const narrator = new Narrator();
  const cleanUps: (() => Promise<void>)[] = [];
  let failure: unknown;
  let log = () => '';
  const run = async () => {
    const stack = await narrator.step('stack', 'Start PostgreSQL, Redis, a fake Firebase and the service', () =>
      // A longer timeout, because the machine may be busy.
      startStack({ env: { ...labSettings, NODE_ACK_TIMEOUT_MS: '4000' } }),
    );
    cleanUps.push(() => stack.stop());
    log = () => stack.service.log();
    const nodes = await narrator.step('nodes', 'Enrol a node in each of two locations', () => enrolNodes(stack));
    log = () => `${stack.service.log()}\n${nodes.map(({ agent }) => JSON.stringify(agent.status())).join('\n')}`;
    cleanUps.push(async () => void (await Promise.all(nodes.map(({ agent }) => agent.stop()))));
    await runDemo(stack, narrator, nodes);
    await showTunnel(stack, narrator);
    console.log(conclusion);
  };
  console.log(introduction);
  try {
    const interrupted = stopRequested(() => process.exit(130)).then(() => Promise.reject(new Error('Interrupted.')));
    await Promise.race([run(), interrupted]);
  } catch (error) {
    failure = error;
    console.error(`\n${error instanceof Error ? error.message : String(error)}\n\nThe service logged:\n${log()}`);
  }
  for (const cleanUp of cleanUps.reverse()) await cleanUp();
  console.log(`\n${JSON.stringify({ demo: failure === undefined ? 'ok' : 'failed', ms: narrator.times })}`);
  return failure === undefined ? 0 : 1;
}

// After an interruption a step may still be running: its processes end with this one.
process.exit((await enterLab(fileURLToPath(import.meta.url))) ?? (await main()));
