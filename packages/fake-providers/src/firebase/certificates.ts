import 'reflect-metadata';
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { webcrypto } from 'node:crypto';

/** A private key and its certificate, both in PEM. */
export interface Identity {
  readonly key: string;
  readonly cert: string;
}

const validity = () => ({
  notBefore: new Date(Date.now() - 86_400_000),
  notAfter: new Date(Date.now() + 3_650 * 86_400_000),
});

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const rsa = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  publicExponent: new Uint8Array([1, 0, 1]),
  modulusLength: 2048,
};

/** Creates the key that signs ID tokens: RSA-2048 with a self-signed certificate, like Google's. */
export async function createTokenSigner(): Promise<Identity> {
  const keys = await webcrypto.subtle.generateKey(rsa, true, ['sign', 'verify']);
  const cert = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=securetoken.system.gserviceaccount.com',
    keys,
    signingAlgorithm: rsa,
    extensions: [new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true)],
    ...validity(),
  });
  return { key: await pem(keys.privateKey), cert: cert.toString('pem') };
}

/** Creates a CA for this fake only, and a TLS certificate for `*.googleapis.com` under it. */
export async function createTlsIdentity(): Promise<Identity & { readonly ca: string }> {
  const caKeys = await webcrypto.subtle.generateKey(ecdsa, true, ['sign', 'verify']);
  const ca = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=Fake Firebase',
    keys: caKeys,
    signingAlgorithm: ecdsa,
    extensions: [new BasicConstraintsExtension(true, 0, true), new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true)],
    ...validity(),
  });
  const keys = await webcrypto.subtle.generateKey(ecdsa, true, ['sign', 'verify']);
  const cert = await X509CertificateGenerator.create({
    subject: 'CN=*.googleapis.com',
    issuer: ca.subject,
    publicKey: keys.publicKey,
    signingKey: caKeys.privateKey,
    signingAlgorithm: ecdsa,
    extensions: [new SubjectAlternativeNameExtension([{ type: 'dns', value: '*.googleapis.com' }])],
    ...validity(),
  });
  return { ca: ca.toString('pem'), key: await pem(keys.privateKey), cert: cert.toString('pem') };
}

async function pem(key: webcrypto.CryptoKey): Promise<string> {
  const body = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${body.replace(/.{64}/g, '$&\n')}\n-----END PRIVATE KEY-----\n`;
}
