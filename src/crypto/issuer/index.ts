export { type SigningKey } from './issuer-key.js';
export { IssuerKeysService } from './issuer-keys.service.js';
export { IssuerModule } from './issuer.module.js';
