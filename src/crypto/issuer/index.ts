export { BlindSignError, type Refusal } from './blind-sign.js';
export { type SigningKey } from './issuer-key.js';
export { IssuerKeysService } from './issuer-keys.service.js';
export { IssuerModule } from './issuer.module.js';
