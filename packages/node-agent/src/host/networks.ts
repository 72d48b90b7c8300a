import { BlockList } from 'node:net';

/** Networks that are not on the Internet. A peer that reached them would reach the node's own local networks. */
export const privateNetworks = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.168.0.0/16', '198.18.0.0/15', '224.0.0.0/4', '240.0.0.0/4'],
  ...['::/127', '64:ff9b:1::/48', 'fc00::/7', 'fe80::/10', 'fec0::/10', 'ff00::/8'],
];

export const isV6 = (address: string): boolean => address.includes(':');

/** Whether the text is an address with a prefix length, such as 10.0.0.0/8. */
export function isNetwork(text: string): boolean {
  const [address = '', prefix = '', ...rest] = text.split('/');
  if (!/^\d{1,3}$/.test(prefix) || rest.length > 0 || address.includes('%')) return false;
  try {
    new BlockList().addSubnet(address, Number(prefix), isV6(address) ? 'ipv6' : 'ipv4');
    return true;
  } catch {
    return false;
  }
}
