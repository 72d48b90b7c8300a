import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { findProgram } from '../services/programs.js';

const packages = 'wireguard-tools wireguard-go nftables iproute2 conntrack unbound iputils-ping systemd';
const programs = [
  'ip',
  'wg',
  'wireguard-go',
  'nft',
  'conntrack',
  'unbound',
  'ping',
  'setpriv',
  'unshare',
  'systemd-analyze',
];

/** Runs a command in the lab, an isolated environment for real tunnels. */
export const labScript = 'dev/lab/enter.sh';

/** Why this machine cannot run real tunnels; undefined when it can. */
export function whyNoTunnel(): string | undefined {
  if (process.platform !== 'linux') return 'real tunnels need Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  const missing = programs.filter((program) => findProgram(program) === undefined);
  if (missing.length > 0) return `not installed: ${missing.join(', ')}; on Debian: apt-get install ${packages}`;
  try {
    closeSync(openSync('/dev/net/tun', 'r+'));
  } catch {
    return '/dev/net/tun cannot be opened';
  }
  try {
    execFileSync('sh', [labScript, 'true'], { stdio: 'ignore' });
  } catch {
    return 'namespaces cannot be created';
  }
  return undefined;
}
