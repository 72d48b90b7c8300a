import { accessSync, closeSync, constants, openSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { commandEnvironment, type Run } from '../command.js';
import { tableOf } from '../host/firewall.js';
import { type NodeConfig } from './config.js';
import { FileCredentialStore, publicKeyIn } from './private-files.js';

export interface HostCheck {
  readonly name: string;
  /** Absent when the check passes. */
  readonly problem?: string;
  /** The problem does not stop the node from serving. */
  readonly isWarning?: boolean;
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

/** Checks everything that a node needs on this host. Changes nothing. */
export async function checkHost(config: NodeConfig, run: Run): Promise<HostCheck[]> {
  const checks: (() => HostCheck | Promise<HostCheck>)[] = [
    ...Object.entries(packages).map(
      ([program, name]) =>
        () =>
          runCheck(`program ${program}`, () => requireProgram(program, name)),
    ),
    () => runCheck('permission to administer the network', requireNetAdmin),
    () => runCheck('WireGuard', () => requireWireguard(run)),
    () => runCheck(`uplink ${config.UPLINK}`, () => requireInterface(config.UPLINK)),
    () => runCheck('private key', () => publicKeyIn(config.privateKeyFile)),
    () => runCheck('credential', () => requireCredential(config)),
    ...[config.DNS_ADS, config.DNS_TRACKERS_MALWARE].flatMap((list) =>
      list === undefined ? [] : [() => runCheck(`block list ${list}`, () => accessSync(list, constants.R_OK))],
    ),
    () => runCheck(`backend ${config.BACKEND_URL}`, () => requireBackend(config.BACKEND_URL)),
    async () => ({ ...(await runCheck('other firewalls', () => requireForwarding(config, run))), isWarning: true }),
  ];
  const results: HostCheck[] = [];
  for (const check of checks) results.push(await check());
  return results;
}

async function runCheck(name: string, check: () => unknown): Promise<HostCheck> {
  try {
    await check();
    return { name };
  } catch (error) {
    return { name, problem: error instanceof Error ? error.message : String(error) };
  }
}

function requireProgram(program: string, name: string): void {
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

function requireNetAdmin(): void {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  if ((BigInt(`0x${effective}`) & capNetAdmin) === 0n) throw new Error('CAP_NET_ADMIN is missing');
}

/** Tries to create a kernel interface and deletes it at once. Else wireguard-go and its device are required. */
async function requireWireguard(run: Run): Promise<void> {
  const name = `vpnchk${process.pid % 1_000_000}`;
  try {
    await run('ip', ['link', 'add', 'dev', name, 'type', 'wireguard']);
    await run('ip', ['link', 'delete', 'dev', name]);
  } catch {
    requireProgram('wireguard-go', 'wireguard-go (this kernel has no WireGuard)');
    try {
      closeSync(openSync('/dev/net/tun', 'r+'));
    } catch {
      throw new Error('this kernel has no WireGuard, and /dev/net/tun cannot be opened for wireguard-go');
    }
  }
}

function requireInterface(name: string): void {
  if (networkInterfaces()[name] === undefined) throw new Error('no such interface, or it has no address');
}

async function requireCredential({ credentialFile, ENROLMENT_TOKEN }: NodeConfig): Promise<void> {
  if ((await new FileCredentialStore(credentialFile).load()) !== undefined || ENROLMENT_TOKEN !== undefined) return;
  throw new Error('missing: set VPN_NODE_ENROLMENT_TOKEN to register this node');
}

async function requireBackend(backendUrl: string): Promise<void> {
  const url = new URL('vpn/locations', backendUrl.endsWith('/') ? backendUrl : `${backendUrl}/`);
  const answer = await fetch(url, { signal: AbortSignal.timeout(10_000), redirect: 'error' }).catch(() => undefined);
  await answer?.body?.cancel();
  if (answer?.ok !== true) throw new Error(answer ? `answers with status ${answer.status}` : 'does not answer');
}

/** A packet must pass every table, so a forward chain with policy drop stops what this agent's table accepts. */
async function requireForwarding({ INTERFACE }: NodeConfig, run: Run): Promise<void> {
  const listing = JSON.parse(await run('nft', ['-j', 'list', 'chains'])) as {
    nftables: { chain?: { table: string; name: string; hook?: string; policy?: string } }[];
  };
  const refusing = listing.nftables.flatMap(({ chain }) =>
    chain?.hook === 'forward' && chain.policy === 'drop' && chain.table !== tableOf(INTERFACE)
      ? [`${chain.table} ${chain.name}`]
      : [],
  );
  if (refusing.length > 0)
    throw new Error(`accept forwarded packets of ${INTERFACE} in ${refusing.join(', ')}, which drops by default`);
}
