import { privateNetworks } from '../host/networks.js';
import { type BlockingLevel, type Tunnel } from '../protocol.js';

export interface ResolverSettings {
  readonly tunnel: Tunnel;
  readonly port: number;
  /** Files of zones, included as they are. */
  readonly zoneFiles: readonly string[];
  /** Resolvers to ask instead of the authoritative servers themselves. */
  readonly forwardTo: readonly string[];
  /** Whom nobody may make this resolver ask, besides all private networks. Those that it forwards to are exempt. */
  readonly blockedNetworks: readonly string[];
  /** The DNSSEC root key; without it answers are not validated. */
  readonly trustAnchor: string | undefined;
  /** Whom unbound becomes once it runs: nobody else when this process is not root. */
  readonly user: string;
}

/** What a name on a list is marked with. Trackers and malware come on top of ads. */
export type Mark = 'ads' | 'more';

const marksOf: Readonly<Record<BlockingLevel, readonly Mark[]>> = {
  none: [],
  ads: ['ads'],
  ads_trackers_malware: ['ads', 'more'],
};

/**
 * One unbound for all levels, so that they share one cache: whoever asks is hidden among all the others. The address that was
 * asked decides what is blocked. Nothing is logged.
 *
 * (`interface-action` and not `access-control`: a match of the latter would make unbound forget the interface's tags.)
 */
export function unboundConfig(settings: ResolverSettings): string {
  const { tunnel, port, zoneFiles, forwardTo, blockedNetworks, trustAnchor, user } = settings;
  // A name server's address is what strangers say it is: it must not lead to a machine inside.
  const untouchable = forwardTo.length > 0 ? [] : [...privateNetworks, ...blockedNetworks];
  const levels = Object.entries(tunnel.resolvers) as [BlockingLevel, readonly string[]][];
  const listeners = levels.flatMap(([level, addresses]) =>
    addresses.flatMap((address) => listener(`${address}@${port}`, marksOf[level])),
  );
  return `server:
  define-tag: "ads more"
${listeners.join('\n')}
  ip-freebind: yes
  do-daemonize: no
  username: "${user}"
  chroot: ""
  directory: ""
  pidfile: ""

  use-syslog: no
  logfile: ""
  verbosity: 0
  log-queries: no
  log-replies: no
  log-servfail: no
  log-local-actions: no
  statistics-interval: 0

  module-config: "${trustAnchor === undefined ? '' : 'validator '}iterator"
${trustAnchor === undefined ? '' : `  trust-anchor-file: "${trustAnchor}"\n`}
  hide-identity: yes
  hide-version: yes
  qname-minimisation: yes
  minimal-responses: yes
  prefetch: yes
  aggressive-nsec: yes
  harden-below-nxdomain: yes
  edns-buffer-size: 1232
  do-not-query-localhost: yes
${untouchable.map((network) => `  do-not-query-address: ${network}`).join('\n')}
  # A name outside must not lead a browser to a machine inside.
  private-address: 10.0.0.0/8
  private-address: 172.16.0.0/12
  private-address: 192.168.0.0/16
  private-address: 169.254.0.0/16
  private-address: fd00::/8
  private-address: fe80::/10
${zoneFiles.map((file) => `  include: "${file}"`).join('\n')}
remote-control:
  control-enable: no
${forwardTo.length === 0 ? '' : `forward-zone:\n  name: "."\n${forwardTo.map(forwarder).join('\n')}\n`}`;
}

/** A blocked name does not exist, and no name below it does. */
export function blockedZone(name: string, mark: Mark): string {
  return `local-zone: "${name}." always_nxdomain\nlocal-zone-tag: "${name}." "${mark}"\n`;
}

function listener(socket: string, marks: readonly Mark[]): string[] {
  return [
    `  interface: ${socket}`,
    `  interface-action: ${socket} allow`,
    ...(marks.length === 0 ? [] : [`  interface-tag: ${socket} "${marks.join(' ')}"`]),
  ];
}

function forwarder(address: string): string {
  return `  forward-addr: ${address}`;
}
