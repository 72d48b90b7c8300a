export { VerifierKeysService, type VerifyingKey } from './verifier-keys.service.js';
export { VerifierModule } from './verifier.module.js';
