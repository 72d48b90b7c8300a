import ipaddr from 'ipaddr.js';
import { describe, expect, it } from 'vitest';
import { maxSlots, nodeAddresses, resolverAddresses, slotAddresses } from './tunnel-addresses.js';

const everySlot = Array.from({ length: maxSlots }, (_, index) => slotAddresses(index + 1));
const hostOf = (address: string) => ipaddr.parse(address).toByteArray().slice(-2).join('.');
const bare = (cidr: string) => cidr.split('/')[0] ?? '';

describe('slotAddresses', () => {
  it('gives every slot unique addresses, different from those of the node and its resolvers', () => {
    const reserved = [
      ...nodeAddresses.map(bare),
      ...(['none', 'ads', 'ads_trackers_malware'] as const).flatMap((choice) => resolverAddresses(choice)),
    ];
    const all = [...reserved, ...everySlot.flat().map(bare)];
    expect(reserved).toHaveLength(8);
    expect(new Set(all).size).toBe(8 + 2 * maxSlots);
  });

  it('keeps every slot within the node’s networks, with the same host number in both families', () => {
    const [net4, net6] = nodeAddresses.map((cidr) => ipaddr.parseCIDR(cidr));
    if (net4 === undefined || net6 === undefined) throw new Error('a node has an address of each family');
    for (const [v4, v6] of everySlot) {
      expect(v4.endsWith('/32') && v6.endsWith('/128')).toBe(true);
      expect(ipaddr.parse(bare(v4)).match(net4) && ipaddr.parse(bare(v6)).match(net6)).toBe(true);
      expect(hostOf(bare(v4))).toBe(hostOf(bare(v6)));
    }
  });

  it('matches the addresses that the protocol documents', () => {
    expect(nodeAddresses).toEqual(['10.64.0.1/16', 'fdb7:4a2c:91e6::1/112']);
    expect(slotAddresses(1)).toEqual(['10.64.1.0/32', 'fdb7:4a2c:91e6::100/128']);
    expect(slotAddresses(maxSlots)).toEqual(['10.64.235.95/32', 'fdb7:4a2c:91e6::eb5f/128']);
    expect(resolverAddresses('none')).toEqual(['10.64.0.2', 'fdb7:4a2c:91e6::2']);
    expect(resolverAddresses('ads')).toEqual(['10.64.0.3', 'fdb7:4a2c:91e6::3']);
    expect(resolverAddresses('ads_trackers_malware')).toEqual(['10.64.0.4', 'fdb7:4a2c:91e6::4']);
  });

  it.each([0, -1, 60_001, 1.5, NaN])('throws for slot %d', (slot) => {
    expect(() => slotAddresses(slot)).toThrow(RangeError);
  });
});
