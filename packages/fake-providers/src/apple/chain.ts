import 'reflect-metadata';
import {
  AuthorityInfoAccessExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { KeyObject, webcrypto } from 'node:crypto';

/** A certificate and its private key. */
export interface Identity {
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
}

/**
 * The certificate chain that signs App Store data: exactly a leaf, the Worldwide Developer Relations intermediate, and the
 * root, in this order. https://developer.apple.com/documentation/appstoreserverapi/x5c
 */
export interface Chain {
  readonly root: Identity;
  readonly intermediate: Identity;
  readonly leaf: Identity;
  /** The OCSP responders for certificates that the root issued, and for those that the intermediate issued. */
  readonly responders: { readonly root: Identity; readonly intermediate: Identity };
}

/** OIDs of the extensions in Apple's leaf and intermediate certificates. The verifier requires them. */
const receiptSigning = '1.2.840.113635.100.6.11.1';
const developerRelations = '1.2.840.113635.100.6.2.1';

const p384 = { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' };
const p256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const empty = new Uint8Array([5, 0]).buffer;

/** @param ocspUrl the OCSP responder that the certificates name. */
export async function createChain(ocspUrl: string): Promise<Chain> {
  const ca = [
    new BasicConstraintsExtension(true, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
  ];
  const ocsp = new AuthorityInfoAccessExtension({ ocsp: ocspUrl });
  const signing = new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true);
  const root = await issue('CN=Fake Root CA - G3, O=Fake', p384, ca);
  const relations = [...ca, ocsp, new Extension(developerRelations, false, empty)];
  const intermediate = await issue('CN=Fake Developer Relations, O=Fake', p384, relations, root);
  const leaf = await issue(
    'CN=Fake App Store Receipt Signing, O=Fake',
    p256,
    [new BasicConstraintsExtension(false), signing, ocsp, new Extension(receiptSigning, false, empty)],
    intermediate,
  );
  const responder = (issuer: Identity, name: string) =>
    issue(`CN=${name}, O=Fake`, p256, [signing, new ExtendedKeyUsageExtension([ExtendedKeyUsage.ocspSigning])], issuer);
  return {
    root,
    intermediate,
    leaf,
    responders: {
      root: await responder(root, 'Fake OCSP for the root'),
      intermediate: await responder(intermediate, 'Fake OCSP for the intermediate'),
    },
  };
}

/** @param issuer signs the certificate; without one it is self-signed. */
async function issue(
  subject: string,
  algorithm: typeof p256,
  extensions: Extension[],
  issuer?: Identity,
): Promise<Identity> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const common = {
    notBefore: new Date(Date.now() - 86_400_000),
    notAfter: new Date(Date.now() + 7_300 * 86_400_000),
    extensions,
  };
  const certificate = issuer
    ? await X509CertificateGenerator.create({
        ...common,
        subject,
        issuer: issuer.certificate.subject,
        publicKey: keys.publicKey,
        signingKey: issuer.key.toCryptoKey(p384, true, ['sign']),
        signingAlgorithm: p384,
      })
    : await X509CertificateGenerator.createSelfSigned({ ...common, name: subject, keys, signingAlgorithm: algorithm });
  return { certificate, key: KeyObject.from(keys.privateKey) };
}

/** @returns the certificate in DER. */
export function derOf({ certificate }: Identity): Buffer {
  return Buffer.from(certificate.rawData);
}
