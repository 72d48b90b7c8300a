import { privateNetworks } from '../host/networks.js';
import { type BlockingLevel, type Tunnel } from '../protocol.js';

export interface ResolverSettings {
  readonly tunnel: Tunnel;
  readonly port: number;
  /** Paths of files with local zones, included unchanged. */
  readonly zoneFiles: readonly string[];
  /** Resolvers to query instead of the authoritative servers. */
  readonly forwardTo: readonly string[];
  /** Networks that this resolver never queries, besides all private ones. Has no effect with `forwardTo`. */
  readonly blockedNetworks: readonly string[];
  /** The path of the DNSSEC root key. Without it, answers are not validated. */
  readonly trustAnchor: string | undefined;
  /** The user that unbound switches to; empty when this process is not root. */
  readonly user: string;
}

/** The unbound tags of blocked names, one for each block list. */
export const blockTags = ['ads', 'trackers_malware'] as const;
export type BlockTag = (typeof blockTags)[number];

const tagsOf: Readonly<Record<BlockingLevel, readonly BlockTag[]>> = {
  none: [],
  ads: ['ads'],
  ads_trackers_malware: blockTags,
};

/**
 * One unbound serves all blocking levels, so that they share one cache and each query is hidden among those of all peers. The
 * address that receives a query decides what is blocked. Nothing is logged.
 *
 * (`interface-action` and not `access-control`: with the latter, unbound ignores the tags of the interface.)
 */
export function unboundConfig(settings: ResolverSettings): string {
  const { tunnel, port, zoneFiles, forwardTo, blockedNetworks, trustAnchor, user } = settings;
  // Anyone can publish an internal address as that of a name server: unbound must not query it.
  const neverQueried = forwardTo.length > 0 ? [] : [...privateNetworks, ...blockedNetworks];
  const levels = Object.entries(tunnel.resolvers) as [BlockingLevel, readonly string[]][];
  const listeners = levels.flatMap(([level, addresses]) =>
    addresses.flatMap((address) => listener(`${address}@${port}`, tagsOf[level])),
  );
  return `server:
  define-tag: "${blockTags.join(' ')}"
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
${neverQueried.map((network) => `  do-not-query-address: ${network}`).join('\n')}
  # Protects against DNS rebinding: a public name must not resolve to an internal address.
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

/** Answers NXDOMAIN for the name and its subdomains. */
export function blockedZone(name: string, tag: BlockTag): string {
  return `local-zone: "${name}." always_nxdomain\nlocal-zone-tag: "${name}." "${tag}"\n`;
}

function listener(socket: string, tags: readonly BlockTag[]): string[] {
  return [
    `  interface: ${socket}`,
    `  interface-action: ${socket} allow`,
    ...(tags.length === 0 ? [] : [`  interface-tag: ${socket} "${tags.join(' ')}"`]),
  ];
}

function forwarder(address: string): string {
  return `  forward-addr: ${address}`;
}
