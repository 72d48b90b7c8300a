import { webcrypto } from 'node:crypto';
import { publicVerif } from '@cloudflare/privacypass-ts';
import { type IssuingConfiguration, startIssuing } from './issuing-server.js';
import { serveProgram } from './server-process.js';

/** The bare server with signatures by `@cloudflare/privacypass-ts`, which computes in JavaScript. */
await serveProgram(async (configuration: IssuingConfiguration) => {
  const algorithm = { name: 'RSA-PSS', hash: 'SHA-384' };
  const { subtle } = webcrypto;
  // The library and WebCrypto's types need bytes in their own buffer.
  const pkcs8 = new Uint8Array(configuration.privateKey);
  const privateKey = await subtle.importKey('pkcs8', pkcs8, algorithm, true, ['sign']);
  const { n, e, kty } = await subtle.exportKey('jwk', privateKey);
  const publicKey = await subtle.importKey('jwk', { n, e, kty }, algorithm, true, ['verify']);
  const mode = publicVerif.BlindRSAMode.PSS;
  const issuer = new publicVerif.Issuer(mode, 'issuer.vpn.localhost', privateKey, publicKey);
  const truncatedKeyId = configuration.keyId.at(-1) ?? 0;
  return startIssuing(configuration, async (blinded) => {
    const message = new Uint8Array(blinded);
    const request = new publicVerif.TokenRequest(truncatedKeyId, message, publicVerif.BLIND_RSA);
    return Buffer.from((await issuer.issue(request)).blindSig);
  });
});
