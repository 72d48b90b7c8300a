/**
 * The addresses inside the tunnel: 10.64.0.0/16, and a /112 of a unique local prefix (RFC 4193). They are the same on every
 * node, because every node translates them (NAT). A host number means the same host in both families: 1 is the node, 2 to 4
 * are its resolvers, and slot s of a node is host 255 + s.
 */

/** Maximum number of peers per node, and so the highest slot. */
export const maxSlots = 60_000;

/** Leaves room for WireGuard's overhead (80 bytes over IPv6) in a packet of 1,500 bytes. */
export const tunnelMtu = 1420;

const hostOfNode = 1;
const hostBeforeSlots = 255;
const hostOfResolver = { none: 2, ads: 3, ads_trackers_malware: 4 } as const;

/** Addresses of a node's own tunnel interface. */
export const nodeAddresses: readonly [v4: string, v6: string] = [`${v4(hostOfNode)}/16`, `${v6(hostOfNode)}/112`];

/**
 * The addresses of the peer in a slot, one of each family.
 *
 * @param slot 1 to 60,000
 * @throws {RangeError} for anything else
 */
export function slotAddresses(slot: number): [v4: string, v6: string] {
  if (!Number.isInteger(slot) || slot < 1 || slot > maxSlots) {
    throw new RangeError(`a slot is a whole number from 1 to ${maxSlots}`);
  }
  const host = hostBeforeSlots + slot;
  return [`${v4(host)}/32`, `${v6(host)}/128`];
}

/** The addresses of a node's resolver for this level of blocking. */
export function resolverAddresses(dnsBlocking: keyof typeof hostOfResolver): [v4: string, v6: string] {
  const host = hostOfResolver[dnsBlocking];
  return [v4(host), v6(host)];
}

/** The addresses of all resolvers of a node, by level of blocking. */
export function allResolvers() {
  return {
    none: resolverAddresses('none'),
    ads: resolverAddresses('ads'),
    ads_trackers_malware: resolverAddresses('ads_trackers_malware'),
  };
}

function v4(host: number): string {
  return `10.64.${host >> 8}.${host & 0xff}`;
}

function v6(host: number): string {
  return `fdb7:4a2c:91e6::${host.toString(16)}`;
}
