import { accessSync, closeSync, constants, openSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { commandEnvironment, type Run } from '../command.js';
import { tableOf } from '../host/firewall.js';
import { type NodeConfig } from './config.js';
import { FileCredentialStore, publicKeyIn } from './private-files.js';

export interface Finding {
  readonly what: string;
  /** Absent when all is well. */
  readonly trouble?: string;
  /** Serving is possible all the same. */
  readonly tolerable?: boolean;
}

const packages: Readonly<Record<string, string>> = {
  wg: 'wireguard-tools',
  ip: 'iproute2',
  nft: 'nftables',
  conntrack: 'conntrack',
  unbound: 'unbound',
  'unbound-checkconf': 'unbound',
  setpriv: 'util-linux',
};

const capNetAdmin = 1n << 12n;

/** What this host needs to be a node, each thing with what is wrong with it. Changes nothing. */
export async function examineHost(config: NodeConfig, run: Run): Promise<Finding[]> {
  const checks: (() => Finding | Promise<Finding>)[] = [
    ...Object.entries(packages).map(
      ([program, name]) =>
        () =>
          examine(`program ${program}`, () => find(program, name)),
    ),
    () => examine('right to administer the network', mayAdministerNetwork),
    () => examine('WireGuard', () => hasWireguard(run)),
    () => examine(`uplink ${config.UPLINK}`, () => hasInterface(config.UPLINK)),
    () => examine('private key', () => publicKeyIn(config.privateKeyFile)),
    () => examine('credential', () => hasCredential(config)),
    ...[config.DNS_ADS, config.DNS_TRACKERS_MALWARE].flatMap((list) =>
      list === undefined ? [] : [() => examine(`block list ${list}`, () => accessSync(list, constants.R_OK))],
    ),
    () => examine(`backend ${config.BACKEND_URL}`, () => answers(config.BACKEND_URL)),
    async () => ({ ...(await examine('other firewalls', () => noOtherRefusal(config, run))), tolerable: true }),
  ];
  const findings: Finding[] = [];
  for (const check of checks) findings.push(await check());
  return findings;
}

async function examine(what: string, check: () => unknown): Promise<Finding> {
  try {
    await check();
    return { what };
  } catch (error) {
    return { what, trouble: error instanceof Error ? error.message : String(error) };
  }
}

function find(program: string, name: string): void {
  const folders = commandEnvironment.PATH.split(':');
  if (folders.some((folder) => isExecutable(join(folder, program)))) return;
  throw new Error(`not found: apt-get install ${name}`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function mayAdministerNetwork(): void {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  if ((BigInt(`0x${effective}`) & capNetAdmin) === 0n) throw new Error('CAP_NET_ADMIN is missing');
}

/** The kernel's own, found by making an interface that nobody sees for long; else wireguard-go and its device. */
async function hasWireguard(run: Run): Promise<void> {
  const name = `vpnchk${process.pid % 1_000_000}`;
  try {
    await run('ip', ['link', 'add', 'dev', name, 'type', 'wireguard']);
    await run('ip', ['link', 'delete', 'dev', name]);
  } catch {
    find('wireguard-go', 'wireguard-go, as this kernel has no WireGuard');
    try {
      closeSync(openSync('/dev/net/tun', 'r+'));
    } catch {
      throw new Error('this kernel has no WireGuard, and /dev/net/tun cannot be opened for wireguard-go');
    }
  }
}

function hasInterface(name: string): void {
  if (networkInterfaces()[name] === undefined) throw new Error('there is no such interface with an address');
}

async function hasCredential({ credentialFile, ENROLMENT_TOKEN }: NodeConfig): Promise<void> {
  if ((await new FileCredentialStore(credentialFile).load()) !== undefined || ENROLMENT_TOKEN !== undefined) return;
  throw new Error('none, and no VPN_NODE_ENROLMENT_TOKEN to get one with');
}

async function answers(backendUrl: string): Promise<void> {
  const url = new URL('vpn/locations', backendUrl.endsWith('/') ? backendUrl : `${backendUrl}/`);
  const answer = await fetch(url, { signal: AbortSignal.timeout(10_000), redirect: 'error' }).catch(() => undefined);
  await answer?.body?.cancel();
  if (answer?.ok !== true) throw new Error(answer ? `answers ${answer.status}` : 'does not answer');
}

/** A packet needs every table's consent: one whose forward chain refuses by default stops what this agent lets through. */
async function noOtherRefusal({ INTERFACE }: NodeConfig, run: Run): Promise<void> {
  const listing = JSON.parse(await run('nft', ['-j', 'list', 'chains'])) as {
    nftables: { chain?: { table: string; name: string; hook?: string; policy?: string } }[];
  };
  const refusing = listing.nftables.flatMap(({ chain }) =>
    chain?.hook === 'forward' && chain.policy === 'drop' && chain.table !== tableOf(INTERFACE)
      ? [`${chain.table} ${chain.name}`]
      : [],
  );
  if (refusing.length > 0)
    throw new Error(`let ${INTERFACE} through in ${refusing.join(', ')}, which drops by default`);
}
