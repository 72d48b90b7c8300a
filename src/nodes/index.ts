export { mostSlots, nodeAddresses, resolverAddresses, slotAddresses, tunnelMtu } from './tunnel-addresses.js';
export { decodeWireguardKey, encodeWireguardKey, isLowOrder, wireguardPublicKey } from './wireguard-key.js';
