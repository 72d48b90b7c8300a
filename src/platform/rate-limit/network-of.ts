import ipaddr from 'ipaddr.js';

/**
 * What one subscriber holds: an IPv4 address, or the /64 of an IPv6 one (RFC 6177), whose 2^64 addresses would else each have
 * an allowance. An IPv4 address in IPv6 clothes is that IPv4 address.
 */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  return ipaddr.fromByteArray(parsed.toByteArray().fill(0, 8)).toString();
}
