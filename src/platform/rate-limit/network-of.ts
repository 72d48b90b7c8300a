import ipaddr from 'ipaddr.js';

/**
 * The network that one subscriber has: an IPv4 address, or the /64 of an IPv6 address (RFC 6177), whose 2^64 addresses would
 * otherwise each have their own limit. An IPv4-mapped IPv6 address counts as the IPv4 address.
 */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  return ipaddr.fromByteArray(parsed.toByteArray().fill(0, 8)).toString();
}
