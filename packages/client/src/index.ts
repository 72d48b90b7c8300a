export { createClient, type VpnClient, type VpnClientOptions } from './client.js';
export {
  agreedKey,
  currentKey,
  type DirectoryKey,
  directoryPath,
  type IssuerDirectory,
  parseDirectory,
} from './directory.js';
export { PartitioningSuspected, TokenError, type TokenErrorCode, VpnApiError } from './errors.js';
export {
  type BlindedToken,
  blind,
  buildTokenChallenge,
  challengeDigestOf,
  finalize,
  parseTokenChallenge,
  type TokenChallenge,
} from './token.js';
export { keyIdOf, parseTokenKey, type TokenKey } from './token-key.js';
export {
  type ConnectionStatus,
  type DnsBlocking,
  type Location,
  type RedeemedConfig,
  type RedeemOptions,
  type Subscription,
  type VpnToken,
} from './wire.js';
export {
  generateWireguardKeyPair,
  insertPrivateKey,
  parseWireguardConf,
  type WireguardConf,
  WireguardConfError,
  type WireguardKeyPair,
} from './wireguard.js';
