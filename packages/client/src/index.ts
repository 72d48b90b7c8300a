export {
  type Account,
  type AccountExport,
  type AccountHistory,
  type AuditTrail,
  type AccountDeletion,
  type NewDevice,
  type Page,
  type Preferences,
  type PreferencesPatch,
  type TaggedPreferences,
  type VpnAccount,
} from './account.js';
export { type Action, type Advice, adviceFor } from './advice.js';
export { createClient, type VpnClient, type VpnClientOptions } from './client.js';
export { type ConnectOptions } from './connecting.js';
export {
  currentKey,
  type DirectoryKey,
  directoryPath,
  type IssuerDirectory,
  keyIdText,
  parseDirectory,
} from './directory.js';
export { type IssuerKey } from './prefetching.js';
export {
  LocationNotFound,
  PartitioningSuspected,
  type PartitioningReason,
  type ProblemCode,
  TokenError,
  type TokenErrorCode,
  VpnApiError,
  WalletError,
  type WalletErrorCode,
} from './errors.js';
export { type ClientEvent, type OnEvent } from './events.js';
export { consistentKey } from './key-consistency.js';
export { chooseLocations, countryName } from './locations.js';
export { toQrSvg, toQrText } from './qr.js';
export { type StayOptions, type UseConnection } from './renewing.js';
export {
  type BlindedToken,
  blind,
  blindBatch,
  buildTokenChallenge,
  challengeDigestOf,
  finalize,
  parseTokenChallenge,
  type TokenChallenge,
} from './token.js';
export { keyIdOf, parseTokenKey, type TokenKey } from './token-key.js';
export { type Fetch } from './transport.js';
export { indexedDbStorage } from './wallet/indexed-db-storage.js';
export { type Connection } from './wallet/state.js';
export { type StoredText, memoryStorage, type WalletStorage } from './wallet/storage.js';
export { type VpnWallet, type WalletStatus } from './wallet/vpn-wallet.js';
export { toWgQuick } from './wg-quick.js';
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
