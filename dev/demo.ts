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
import { must, Narrator, short } from './demo/narrator.js';
import { signUp } from './demo/person.js';
import { dump, formsOf } from './demo/search.js';
import { enterLab, labSettings, showTunnel } from './demo/tunnel.js';
import { askedToStop } from './stack/asked-to-stop.js';
import { operatorOf } from './stack/operator.js';
import { projectId, type Stack, startStack } from './stack/stack.js';

/** `npm run demo`: one person, one anonymous connection, every step shown with what each side learnt from it. */

const places: readonly (readonly [id: string, ...options: string[]])[] = [
  ['de-frankfurt', '--country', 'DE', '--city', 'Frankfurt', '--latitude', '50.11', '--longitude', '8.68'],
  ['se-stockholm', '--country', 'SE', '--city', 'Stockholm', '--latitude', '59.33', '--longitude', '18.07'],
];

interface DemoNode {
  readonly agent: NodeAgent;
  readonly driver: MemoryDriver;
}

const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');

/** Two locations, and a node with a real WireGuard key in each, enrolled as an operator would. */
async function enrolNodes(stack: Stack): Promise<DemoNode[]> {
  const operator = operatorOf(stack.env);
  const enrol = async ([id, ...options]: (typeof places)[number]): Promise<DemoNode> => {
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
  return Promise.all(places.map(enrol));
}

async function journey(stack: Stack, tell: Narrator, nodes: DemoNode[]): Promise<void> {
  const { url } = stack.service;
  const [frankfurt] = nodes;
  const person = await tell.step('signUp', 'Sign up at Firebase and prove the e-mail address', () =>
    signUp(stack.firebase.url, projectId, 'ada@example.com'),
  );
  const client = createClient({ gatekeeperUrl: url, anonymizerUrl: url, getIdToken: () => person.idToken() });

  const subscription = await tell.step('trial', 'Start the trial', () => client.startTrial());
  tell.knew('gatekeeper', `${person.email} has a trial until ${String(subscription['until'])}`);
  tell.knew('anonymizer', 'nothing');

  const { key, challengeDigest } = await tell.step('directory', 'Compare the issuer keys that both sides publish', () =>
    client.issuerKey(),
  );
  tell.knew('device', `key ${short(base64url(key.keyId))}, the same from both sides`);

  const blinded = await tell.step('blind', 'Make a token and blind it', () => blind(key, challengeDigest));
  tell.knew('device', `token ${short(base64url(blinded.token))}, blinded ${short(base64url(blinded.blindedToken))}`);

  const blindSignature = await tell.step('sign', 'Have the blinded token signed', async () => {
    const [signature] = await client.signBlinded([blinded]);
    must(signature?.length === 256, 'a blind signature comes back');
    return signature;
  });
  tell.knew(
    'gatekeeper',
    `${person.email} had one message signed; it saw ${short(base64url(blinded.blindedToken))} only`,
  );
  tell.knew('anonymizer', 'nothing');

  const signature = await tell.step('unblind', 'Unblind the signature and verify it', () =>
    finalize(blinded, blindSignature),
  );
  const token = { token: base64url(blinded.token), signature: base64url(signature) };
  const keys = await generateWireguardKeyPair();

  const redeemed = await tell.step('redeem', 'Spend the token, as nobody, for Frankfurt', () =>
    client.redeem({ ...token, location: 'de-frankfurt', publicKey: keys.publicKey }),
  );
  tell.knew('gatekeeper', 'nothing');
  tell.knew('anonymizer', `someone spent a good token; ${short(keys.publicKey)} is now a peer`);
  tell.knew('node', `${frankfurt?.agent.status().peers ?? 0} peer, ${redeemed.addresses.join(' ')}`);

  await tell.step('configuration', 'Read the WireGuard configuration', async () => {
    const conf = parseWireguardConf(insertPrivateKey(redeemed.wireguard_conf, keys.privateKey));
    must(conf.peer.publicKey === redeemed.server_public_key, 'the configuration names the node');
    must(conf.peer.allowedIps.join() === '0.0.0.0/0,::/0', 'all traffic goes into the tunnel');
    const peers = await frankfurt?.driver.list();
    must(peers?.some(({ publicKey }) => publicKey === keys.publicKey) === true, 'the node has the peer installed');
  });

  await tell.step('status', 'Ask for the status of the connection', async () => {
    const status = await client.connectionStatus(redeemed.connection_secret);
    must(status.status === 'active' && status.location === 'de-frankfurt', 'the connection is active in Frankfurt');
  });

  await tell.step('secondSpend', 'Spend the token again with another key: refused', async () => {
    const thief = await generateWireguardKeyPair();
    const answer = await client
      .redeem({ ...token, location: 'se-stockholm', publicKey: thief.publicKey })
      .catch((error: unknown) => error);
    must(answer instanceof VpnApiError && answer.code === 'token_reused', 'a second spend is refused as one');
  });

  await tell.step('separation', 'Search each side for what only the other may know', async () => {
    const [identity, network] = [
      await dump(stack.services.ownerUrl, 'identity'),
      await dump(stack.services.ownerUrl, 'network'),
    ];
    const log = stack.service.log();
    const people = [...formsOf(person.email, 'utf8'), ...formsOf(person.uid, 'utf8')];
    const traffic = [
      ...formsOf(token.token, 'base64url'),
      ...formsOf(token.signature, 'base64url'),
      ...formsOf(keys.publicKey, 'base64'),
      redeemed.connection_id,
      ...formsOf(redeemed.connection_secret, 'base64url'),
    ];
    must(identity.includes(person.uid), 'the search finds what is there');
    must(
      people.every((value) => !network.includes(value)),
      'the network database names nobody',
    );
    must(
      traffic.every((value) => !identity.includes(value)),
      'the identity database knows no token, key or connection',
    );
    must(
      [...people, ...traffic].every((value) => !log.includes(value)),
      'no log line names any of it',
    );
  });

  const drawn = await tell.step('wallet', 'Fetch a day of tokens into the wallet, as an app does', () =>
    client.wallet.prefetchIfDue(),
  );
  tell.knew('gatekeeper', `${person.email} had ${drawn} more messages signed`);
  const connection = await tell.step('connect', 'Connect from the wallet, by the name of a city', () =>
    client.connect({ location: 'Stockholm' }),
  );
  tell.knew('device', `${drawn - 1} tokens left; a QR code of ${toQrText(connection).split('\n').length - 1} lines`);

  await tell.step('disconnect', 'Disconnect both; the nodes drop the peers', async () => {
    await client.disconnect(connection);
    await client.disconnect(redeemed.connection_secret);
    const peers = async () => (await Promise.all(nodes.map(({ driver }) => driver.list()))).flat().length;
    for (let tries = 0; tries < 1_500 && (await peers()) > 0; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    must((await peers()) === 0, 'no node has a peer any more');
  });
}

const introduction = `
One person, one anonymous connection

The gatekeeper knows people and signs tokens without seeing them. The anonymizer takes a token from nobody in particular and
knows connections. They share no table, key or log. Below each step: what each of them, the device and the VPN node learnt.
`;

const conclusion = `
Every step held, and nothing that either side keeps ties the person to the connection.
Next: "npm start" keeps this stack running, and README.md shows the API by example.`;

async function main(): Promise<number> {
  const tell = new Narrator();
  const ends: (() => Promise<void>)[] = [];
  let failure: unknown;
  let log = () => '';
  const walk = async () => {
    const stack = await tell.step('stack', 'Start PostgreSQL, Redis, a fake Firebase and the service', () =>
      // Whatever else this machine does meanwhile.
      startStack({ env: { ...labSettings, NODE_ACK_TIMEOUT_MS: '4000' } }),
    );
    ends.push(() => stack.stop());
    log = () => stack.service.log();
    const nodes = await tell.step('nodes', 'Enrol a node in each of two locations', () => enrolNodes(stack));
    log = () => `${stack.service.log()}\n${nodes.map(({ agent }) => JSON.stringify(agent.status())).join('\n')}`;
    ends.push(async () => void (await Promise.all(nodes.map(({ agent }) => agent.stop()))));
    await journey(stack, tell, nodes);
    await showTunnel(stack, tell);
    console.log(conclusion);
  };
  console.log(introduction);
  try {
    const interrupted = askedToStop(() => process.exit(130)).then(() => Promise.reject(new Error('Interrupted.')));
    await Promise.race([walk(), interrupted]);
  } catch (error) {
    failure = error;
    console.error(`\n${error instanceof Error ? error.message : String(error)}\n\nThe service logged:\n${log()}`);
  }
  for (const end of ends.reverse()) await end();
  console.log(`\n${JSON.stringify({ demo: failure === undefined ? 'ok' : 'failed', ms: tell.times })}`);
  return failure === undefined ? 0 : 1;
}

// Interrupted, a step may be under way still: what it has started ends with the process.
process.exit((await enterLab(fileURLToPath(import.meta.url))) ?? (await main()));
