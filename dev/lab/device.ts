import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { Resolver } from 'node:dns/promises';
import { unlink, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import {
  createClient,
  generateWireguardKeyPair,
  insertPrivateKey,
  parseWireguardConf,
  type RedeemedConfig,
  VpnApiError,
  type WireguardConf,
} from '@vpn-backend/client';
import { serve } from './remote.js';

/*
 * A user's device, on its own machine of the lab: redeems tokens with the real client and has a real WireGuard interface. The
 * test gives it the tokens: fetching them needs an identity, which this device does not have.
 */

const execute = promisify(execFile);
const { LAB_BACKEND: backend = '', LAB_DEVICE: device = '', LAB_GATEWAYS: gateways = '' } = process.env;
const [gateway = '', gateway6 = ''] = gateways.split(',');

const client = createClient({
  gatekeeperUrl: backend,
  anonymizerUrl: backend,
  getIdToken: () => Promise.reject(new Error('this device has no identity')),
});

/** All addresses in halves, which are more specific than the default route. That stays for the tunnel's own packets. */
const allAddresses = ['0.0.0.0/1', '128.0.0.0/1', '::/1', '8000::/1'];

async function createInterface(): Promise<void> {
  spawn('wireguard-go', ['-f', device], { stdio: 'ignore' });
  for (let attempts = 0; !(await isReady()); attempts += 1) {
    if (attempts === 1_000) throw new Error(`wireguard-go did not create ${device}`);
    await setTimeout(10);
  }
  await execute('ip', ['link', 'set', device, 'mtu', '1420', 'up']);
}

const isReady = () =>
  execute('wg', ['show', device]).then(
    () => true,
    () => false,
  );

/** Runs a program with a temporary file that contains `input` and that only its owner can read. */
async function runWithFile(program: string, args: readonly string[], input: string): Promise<void> {
  const file = `/var/tmp/${device}.${randomUUID()}`;
  await writeFile(file, input, { mode: 0o600 });
  try {
    await execute(program, [...args, file]);
  } finally {
    await unlink(file);
  }
}

/** Configures interface and routes as an app does. */
async function tunnelUp(conf: WireguardConf, server: string): Promise<void> {
  const { publicKey, presharedKey = '', endpoint = '', allowedIps } = conf.peer;
  const settings = [
    `[Interface]\nPrivateKey = ${conf.interface.privateKey}`,
    `[Peer]\nPublicKey = ${publicKey}\nPresharedKey = ${presharedKey}\nEndpoint = ${endpoint}`,
    `AllowedIPs = ${allowedIps.join(', ')}\nPersistentKeepalive = 25\n`,
  ].join('\n');
  const routes = [
    ...conf.interface.addresses.map((address) => `address replace ${address} dev ${device}`),
    `route replace ${server} via ${server.includes(':') ? gateway6 : gateway}`,
    ...allAddresses.map((half) => `route replace ${half} dev ${device}`),
  ];
  await Promise.all([
    runWithFile('wg', ['setconf', device], settings),
    runWithFile('ip', ['-batch'], routes.join('\n')),
  ]);
}

/** Removes the tunnel: the device uses the Internet directly again. */
async function tunnelDown(): Promise<void> {
  const all = allAddresses.map((half) => `route delete ${half} dev ${device}`).join('\n');
  await runWithFile('ip', ['-force', '-batch'], all).catch(() => undefined);
  await execute('ip', ['address', 'flush', 'dev', device]);
  await runWithFile('wg', ['setconf', device], '[Interface]\n');
}

export interface Joined {
  readonly config: RedeemedConfig;
  readonly privateKey: string;
  readonly publicKey: string;
  /** Milliseconds from the request to its answer, which is sent when the node has the peer. */
  readonly redeemedMs: number;
}

type Refused = { readonly status: number; readonly code: string };

const methods = {
  /** Redeems a token and routes all traffic through the tunnel. */
  async join(
    token: { token: string; signature: string },
    location: string,
    dnsBlocking?: 'none' | 'ads' | 'ads_trackers_malware',
  ): Promise<Joined | Refused> {
    const keys = await generateWireguardKeyPair();
    try {
      const begin = performance.now();
      const config = await client.redeem({ ...token, location, publicKey: keys.publicKey, dnsBlocking });
      const redeemedMs = performance.now() - begin;
      const conf = parseWireguardConf(insertPrivateKey(config.wireguard_conf, keys.privateKey));
      await tunnelUp(conf, endpointHost(config.endpoint));
      return { config, ...keys, redeemedMs };
    } catch (error) {
      if (error instanceof VpnApiError) return { status: error.status, code: error.code };
      throw error;
    }
  },
  /** Redeems a token, and measures the time until a website answers through the tunnel. */
  async timeToFirstReply(token: { token: string; signature: string }, location: string, url: string) {
    const begin = performance.now();
    const joined = await methods.join(token, location);
    const seen = await methods.fetch(url, 10_000);
    return { joined, seen, totalMs: performance.now() - begin };
  },
  async status(secret: string) {
    return client.connectionStatus(secret).catch((error: unknown) => refusal(error));
  },
  tunnelDown,
  /** The website's answer, which is the client's address; undefined when it does not answer in time. */
  async fetch(url: string, timeoutMs: number): Promise<string | undefined> {
    return new Promise((resolve) => {
      // A new connection, so that it uses the current routes.
      const request = get(url, { agent: false, timeout: timeoutMs }, (response) => resolve(text(response)));
      request.once('timeout', () => request.destroy());
      request.once('error', () => resolve(undefined));
    });
  },
  /** The addresses of a name, or the error code. */
  async resolve(name: string, server: string): Promise<string[] | string> {
    const resolver = new Resolver({ timeout: 3_000, tries: 2 });
    resolver.setServers([server.includes(':') ? `[${server}]` : server]);
    return resolver.resolve4(name).catch((error: NodeJS.ErrnoException) => error.code ?? 'failed');
  },
};

export type Device = typeof methods;

function refusal(error: unknown): Refused {
  if (error instanceof VpnApiError) return { status: error.status, code: error.code };
  throw error;
}

function endpointHost(endpoint: string): string {
  return endpoint.slice(0, endpoint.lastIndexOf(':')).replace(/[[\]]/g, '');
}

await createInterface();
serve(methods);
