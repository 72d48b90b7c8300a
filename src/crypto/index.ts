export { base64urlBytes, decodeBase64url, encodeBase64url, encodePaddedBase64url } from './base64url.js';
export { entityTagOf } from './directory.js';
export { epochTimes } from './epoch.js';
export { challengeDigest, serviceChallenge } from './token-challenge.js';
export { parseTokenKey, type TokenKey } from './token-key.js';
export {
  buildTokenInput,
  parseTokenInput,
  parseTokenRequest,
  signatureBytes,
  splitToken,
  tokenBytes,
  type TokenInput,
} from './token.js';
