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
 * Somebody's device, on a machine of its own: spends tokens by the real client and has a real WireGuard interface. It is told
 * the tokens: getting them takes an identity, and this device is nobody.
 */

const execute = promisify(execFile);
const { LAB_BACKEND: backend = '', LAB_DEVICE: device = '', LAB_GATEWAYS: gateways = '' } = process.env;
const [gateway = '', gateway6 = ''] = gateways.split(',');

const client = createClient({
  gatekeeperUrl: backend,
  anonymizerUrl: backend,
  getIdToken: () => Promise.reject(new Error('this device is nobody')),
});

/** Halves of the Internet: more specific than the default route, which stays for the tunnel's own packets. */
const everywhere = ['0.0.0.0/1', '128.0.0.0/1', '::/1', '8000::/1'];

async function createInterface(): Promise<void> {
  spawn('wireguard-go', ['-f', device], { stdio: 'ignore' });
  for (let tries = 0; !(await answers()); tries += 1) {
    if (tries === 1_000) throw new Error(`wireguard-go makes no ${device}`);
    await setTimeout(10);
  }
  await execute('ip', ['link', 'set', device, 'mtu', '1420', 'up']);
}

const answers = () =>
  execute('wg', ['show', device]).then(
    () => true,
    () => false,
  );

/** Hands a program a file that nobody else reads and that is gone afterwards. */
async function feed(program: string, args: readonly string[], input: string): Promise<void> {
  const file = `/var/tmp/${device}.${randomUUID()}`;
  await writeFile(file, input, { mode: 0o600 });
  try {
    await execute(program, [...args, file]);
  } finally {
    await unlink(file);
  }
}

/** What an app does with the configuration that it has got. */
async function raise(conf: WireguardConf, server: string): Promise<void> {
  const { publicKey, presharedKey = '', endpoint = '', allowedIps } = conf.peer;
  const settings = [
    `[Interface]\nPrivateKey = ${conf.interface.privateKey}`,
    `[Peer]\nPublicKey = ${publicKey}\nPresharedKey = ${presharedKey}\nEndpoint = ${endpoint}`,
    `AllowedIPs = ${allowedIps.join(', ')}\nPersistentKeepalive = 25\n`,
  ].join('\n');
  const routes = [
    ...conf.interface.addresses.map((address) => `address replace ${address} dev ${device}`),
    `route replace ${server} via ${server.includes(':') ? gateway6 : gateway}`,
    ...everywhere.map((half) => `route replace ${half} dev ${device}`),
  ];
  await Promise.all([feed('wg', ['setconf', device], settings), feed('ip', ['-batch'], routes.join('\n'))]);
}

/** Without a tunnel, the device is on the open Internet again. */
async function lower(): Promise<void> {
  const all = everywhere.map((half) => `route delete ${half} dev ${device}`).join('\n');
  await feed('ip', ['-force', '-batch'], all).catch(() => undefined);
  await execute('ip', ['address', 'flush', 'dev', device]);
  await feed('wg', ['setconf', device], '[Interface]\n');
}

export interface Joined {
  readonly config: RedeemedConfig;
  readonly privateKey: string;
  readonly publicKey: string;
  /** From the request to its answer, which comes when the node has the peer. */
  readonly redeemedMs: number;
}

type Refused = { readonly status: number; readonly code: string };

const methods = {
  /** Spends a token and goes through the tunnel from then on. */
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
      await raise(conf, endpointHost(config.endpoint));
      return { config, ...keys, redeemedMs };
    } catch (error) {
      if (error instanceof VpnApiError) return { status: error.status, code: error.code };
      throw error;
    }
  },
  /** Spends a token, and measures until a website has answered through the tunnel. */
  async timeToFirstReply(token: { token: string; signature: string }, location: string, url: string) {
    const begin = performance.now();
    const joined = await methods.join(token, location);
    const seen = await methods.fetch(url, 10_000);
    return { joined, seen, totalMs: performance.now() - begin };
  },
  async status(secret: string) {
    return client.connectionStatus(secret).catch((error: unknown) => refusal(error));
  },
  lower,
  /** What the website says of whom it sees; undefined when it does not answer in time. */
  async fetch(url: string, timeoutMs: number): Promise<string | undefined> {
    return new Promise((resolve) => {
      // A connection of its own, so that it goes where routes lead now.
      const request = get(url, { agent: false, timeout: timeoutMs }, (response) => resolve(text(response)));
      request.once('timeout', () => request.destroy());
      request.once('error', () => resolve(undefined));
    });
  },
  /** Addresses of a name, or the error's code. */
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
