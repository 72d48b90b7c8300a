import { constants, createPrivateKey, createPublicKey, privateEncrypt, publicEncrypt } from 'node:crypto';
import { type IssuingConfiguration, startIssuing } from './issuing-server.js';
import { serveProgram } from './server-process.js';

/**
 * Signs a blinded token as the service does, with as little code as possible: raw RSA on parsed keys, and a check of the
 * signature before it is sent. The rest is in issuing-server.ts.
 */
await serveProgram(async (configuration: IssuingConfiguration) => {
  const privateKey = createPrivateKey({ key: configuration.privateKey, format: 'der', type: 'pkcs8' });
  const publicKey = createPublicKey(privateKey);
  return startIssuing(configuration, async (blinded) => {
    const signature = privateEncrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, blinded);
    const recovered = publicEncrypt({ key: publicKey, padding: constants.RSA_NO_PADDING }, signature);
    if (!recovered.equals(blinded)) throw new Error('signing failure');
    return signature;
  });
});
