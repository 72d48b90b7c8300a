export { base64urlBytes, decodeBase64url, encodeBase64url, encodePaddedBase64url } from './base64url.js';
export {
  DirectoryError,
  type DirectoryDocument,
  type DirectoryKey,
  directoryMediaType,
  directoryPath,
  directorySchema,
  entityTagOf,
  parseDirectory,
  renderDirectory,
} from './directory.js';
export { DirectoryModule } from './directory.module.js';
export { type Epoch, epochOf, epochSigningFrom, epochTimes } from './epoch.js';
export {
  IssuerDirectorySource,
  IssuerPublishedDirectory,
  NetworkPublishedDirectory,
  publish,
  type Published,
} from './published-directory.js';
export {
  buildTokenChallenge,
  challengeDigest,
  parseTokenChallenge,
  serviceChallenge,
  type TokenChallenge,
} from './token-challenge.js';
export { encodeTokenKey, keyIdOf, parseTokenKey, type TokenKey, truncatedKeyId } from './token-key.js';
export {
  blindRsa,
  buildTokenInput,
  parseTokenInput,
  parseTokenRequest,
  signatureBytes,
  splitToken,
  tokenBytes,
  type TokenInput,
  type TokenRequest,
} from './token.js';
