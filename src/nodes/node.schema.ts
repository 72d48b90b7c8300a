import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { maxSlots } from './tunnel-addresses.js';
import { wireguardPublicKey } from './wireguard-key.js';

/** One peer per megabit per second of a small server; operators can set another value. */
const defaultCapacity = 1_000;

/** WireGuard's usual UDP port. */
const defaultPort = 51_820;

/** Whether a range of addresses names single hosts, of any scope. */
const isUnicast = (range: string) => !['unspecified', 'broadcast', 'multicast'].includes(range);

const ipv4 = z
  .string()
  .max(15, { error: 'expected an IPv4 address' })
  .meta({ format: 'ipv4', examples: ['203.0.113.7'] })
  .refine((text) => ipaddr.IPv4.isValidFourPartDecimal(text) && isUnicast(ipaddr.IPv4.parse(text).range()), {
    error:
      'expected the unicast IPv4 address that clients connect to, such as 203.0.113.7; send an IPv6 address as ip_v6',
  });

const ipv6 = z
  .string()
  .max(45, { error: 'expected an IPv6 address' })
  .meta({ format: 'ipv6', examples: ['2001:db8::7'] })
  .refine((text) => /^[0-9a-fA-F:.]+$/.test(text) && ipaddr.IPv6.isValid(text) && isUnicastV6(text), {
    error: 'expected a unicast IPv6 address, such as 2001:db8::7, without brackets or zone',
  })
  .transform((text) => ipaddr.IPv6.parse(text).toString());

function isUnicastV6(text: string): boolean {
  const address = ipaddr.IPv6.parse(text);
  return !address.isIPv4MappedAddress() && isUnicast(address.range());
}

export const locationId = z
  .string()
  .max(64)
  .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, { error: 'expected the id of a location, such as "de-frankfurt"' })
  .meta({ examples: ['de-frankfurt'] });

export const nodeRegistration = z.strictObject({
  public_key: wireguardPublicKey,
  ip: ipv4,
  location_id: locationId,
  ip_v6: ipv6.optional(),
  port: z.int().min(1).max(65_535).default(defaultPort),
  capacity: z.int().min(1).max(maxSlots).default(defaultCapacity),
  agent_version: z
    .string()
    .regex(/^[\w.+-]{1,64}$/, { error: 'expected a version, such as 1.4.0: 1 to 64 letters, digits and . _ + -' })
    .meta({ examples: ['1.4.0'] })
    .optional(),
});

export type NodeRegistration = z.output<typeof nodeRegistration>;

export const nodeRegistered = z.strictObject({
  id: z.uuid(),
  credential: z.string().describe('Bearer credential for all other requests of this node. Returned only once.'),
  interface: z.strictObject({
    addresses: z.array(z.string()).describe('Addresses for the tunnel interface, with prefix lengths.'),
    resolvers: z
      .strictObject({ none: z.array(z.string()), ads: z.array(z.string()), ads_trackers_malware: z.array(z.string()) })
      .describe(
        'Addresses at which the node must answer DNS queries inside the tunnel: one IPv4 and one IPv6 address for each level of blocking.',
      ),
    listen_port: z.int(),
    mtu: z.int(),
  }),
});

export type NodeRegistered = z.output<typeof nodeRegistered>;

/** Only totals of the whole node: no field describes a single peer. */
export const nodePulse = z.strictObject({
  currentLoad: z.number().min(0).max(100).describe('Load of the machine in per cent.'),
  peers: z.int().min(0).max(maxSlots).optional().describe('Number of peers that the node has installed.'),
  rx_bytes: z.int().min(0).optional().describe('Bytes received from all peers since the last pulse.'),
  tx_bytes: z.int().min(0).optional().describe('Bytes sent to all peers since the last pulse.'),
  accepting: z
    .boolean()
    .default(true)
    .describe(
      'False while the node takes no new connections, because it is shutting down or cannot serve. It stays `unhealthy` until ' +
        'it sends true again.',
    ),
});

export type NodePulse = z.output<typeof nodePulse>;

export const nodePulsed = z.strictObject({
  status: z.enum(['healthy', 'unhealthy', 'draining', 'retired']),
  next_pulse_s: z.int().describe('Seconds until the next pulse is due.'),
});

export type NodePulsed = z.output<typeof nodePulsed>;
