import { Child } from '../child.js';
import { type Run } from '../command.js';
import { isV6, privateNetworks } from './networks.js';

/** The resolver's port. Peers use port 53, which is redirected: ports below 1024 would need another capability. */
export const resolverPort = 5300;

export interface FirewallSettings {
  /** The tunnel interface, which also names the table. */
  readonly interfaceName: string;
  /** The interface to the Internet. */
  readonly uplink: string;
  /** The tunnel's addresses with prefix lengths. nft uses the network of each. */
  readonly addresses: readonly string[];
  /** The addresses of the resolver. */
  readonly resolvers: readonly string[];
  /** Networks that no peer may reach, besides all private ones. */
  readonly blockedNetworks: readonly string[];
}

/**
 * The agent's own nftables table. It touches no other table. A packet must pass every table, so no other table can undo its
 * refusals, and it cannot undo another table's. The table is replaced in one transaction, so there is no moment without it.
 */
export class Firewall {
  readonly #table: string;
  #watch: Child | undefined;

  constructor(
    private readonly run: Run,
    private readonly settings: FirewallSettings,
    /** Called when another program has deleted the table, for example with `flush ruleset`. */
    private readonly onLost: () => void,
  ) {
    this.#table = `inet ${tableOf(settings.interfaceName)}`;
  }

  async ensure(): Promise<void> {
    if (!this.#watch?.running) {
      this.#watch = new Child('nft', ['monitor', 'destroy', 'tables'], (line) => void this.#onDeleted(line));
    }
    await this.run('nft', ['-f', '/dev/stdin'], { input: firewallRules(this.settings) });
  }

  async remove(): Promise<void> {
    const watch = this.#watch;
    this.#watch = undefined;
    await watch?.stop();
    await this.run('nft', ['-f', '/dev/stdin'], { input: `table ${this.#table}\ndelete table ${this.#table}\n` });
  }

  /** The agent's own replacement deletes the table too, but then a new table exists. */
  async #onDeleted(line: string): Promise<void> {
    if (line !== `delete table ${this.#table}`) return;
    await this.run('nft', ['list', 'table', ...this.#table.split(' ')]).catch(() => {
      if (this.#watch !== undefined) this.onLost();
    });
  }
}

export function tableOf(interfaceName: string): string {
  return `vpn_node_${interfaceName.replace(/\W/g, '_')}`;
}

/** All texts have been validated, so none can be read as another rule. */
function firewallRules(settings: FirewallSettings): string {
  const { interfaceName, uplink, addresses, resolvers } = settings;
  const blocked = [...privateNetworks, ...settings.blockedNetworks];
  const [v4, v6] = byFamily(addresses);
  const [blocked4, blocked6] = byFamily(blocked);
  const [resolvers4, resolvers6] = byFamily(resolvers);
  const table = tableOf(interfaceName);
  return `table inet ${table}
delete table inet ${table}
table inet ${table} {
  set blocked4 {
    type ipv4_addr
    flags interval
    auto-merge
    elements = { ${blocked4} }
  }
  set blocked6 {
    type ipv6_addr
    flags interval
    auto-merge
    elements = { ${blocked6} }
  }

  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname "${interfaceName}" jump from_peers
    oifname "${interfaceName}" jump to_peers
  }
  # Only to the Internet: not to other peers, networks behind other interfaces or private addresses.
  chain from_peers {
    oifname != "${uplink}" reject with icmpx admin-prohibited
    ip daddr @blocked4 reject with icmpx admin-prohibited
    ip6 daddr @blocked6 reject with icmpx admin-prohibited
    ct state invalid drop
    tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
    accept
  }
  # Only replies.
  chain to_peers {
    iifname != "${uplink}" drop
    tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
    ct state established,related accept
    drop
  }

  chain input {
    type filter hook input priority filter; policy accept;
    iifname "${interfaceName}" jump peers_to_node
    # Tunnel addresses answer only in the tunnel.
    iifname != { "lo", "${interfaceName}" } ip daddr ${v4} drop
    iifname != { "lo", "${interfaceName}" } ip6 daddr ${v6} drop
  }
  # Only DNS and ping. Peers cannot reach other services of the node by any of its addresses.
  chain peers_to_node {
    ct state established,related accept
    ip daddr { ${resolvers4} } meta l4proto { tcp, udp } th dport ${resolverPort} accept
    ip6 daddr { ${resolvers6} } meta l4proto { tcp, udp } th dport ${resolverPort} accept
    ip daddr ${v4} icmp type echo-request limit rate 100/second accept
    ip6 daddr ${v6} icmpv6 type echo-request limit rate 100/second accept
    drop
  }

  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
${resolvers.map((address) => toResolver(interfaceName, address)).join('\n')}
  }
  # A random source port hides the peer's own.
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "${uplink}" ip saddr ${v4} masquerade fully-random
    oifname "${uplink}" ip6 saddr ${v6} masquerade fully-random
  }
}
`;
}

function byFamily(addresses: readonly string[]): [v4: string, v6: string] {
  return [addresses.filter((address) => !isV6(address)).join(', '), addresses.filter(isV6).join(', ')];
}

function toResolver(interfaceName: string, address: string): string {
  const [ip, target] = isV6(address) ? ['ip6', `[${address}]`] : ['ip', address];
  const dns = 'meta l4proto { tcp, udp } th dport 53';
  return `    iifname "${interfaceName}" ${ip} daddr ${address} ${dns} dnat ${ip} to ${target}:${resolverPort}`;
}
