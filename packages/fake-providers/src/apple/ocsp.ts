import { createHash, sign, X509Certificate } from 'node:crypto';
import { type Chain, derOf, type Identity } from './chain.js';
import { der, elementsIn } from './der.js';

/** The status that the responder reports for every certificate. */
export type CertificateStatus = 'good' | 'revoked' | 'unknown';

const basicResponse = '1.3.6.1.5.5.7.48.1.1';
const ecdsaWithSha256 = '1.2.840.10045.4.3.2';
const halfDay = 12 * 3600_000;

/**
 * Answers an OCSP request (RFC 6960 §4.2) as a delegated responder. Its certificate has the same issuer and the extended key
 * usage OCSPSigning, and is part of the response.
 *
 * @throws {RangeError} when the request is not an OCSP request.
 */
export function answerOcsp(request: Buffer, chain: Chain, status: CertificateStatus): Buffer {
  const certId = certIdIn(request);
  const responder = issuedByRoot(certId, chain) ? chain.responders.root : chain.responders.intermediate;
  const now = new Date();
  // ResponseData: responderID by key hash, producedAt, one SingleResponse that repeats the CertID of the request.
  const data = der.sequence(
    der.explicit(2, der.octets(keyHash(responder))),
    der.time(now),
    der.sequence(
      der.sequence(
        certId,
        statusElement(status, now),
        der.time(new Date(now.getTime() - halfDay)),
        der.explicit(0, der.time(new Date(now.getTime() + halfDay))),
      ),
    ),
  );
  const basic = der.sequence(
    data,
    der.sequence(der.oid(ecdsaWithSha256)),
    der.bits(sign('sha256', data, responder.key)),
    der.explicit(0, der.sequence(derOf(responder))),
  );
  const successful = der.enumerated(0);
  return der.sequence(successful, der.explicit(0, der.sequence(der.oid(basicResponse), der.octets(basic))));
}

function statusElement(status: CertificateStatus, now: Date): Buffer {
  if (status === 'good') return der.implicit(0);
  if (status === 'unknown') return der.implicit(2);
  // RevokedInfo is an IMPLICIT sequence of only the time, which encodes the same as an explicit tag around the time.
  return der.explicit(1, der.time(now));
}

/** @returns OCSPRequest → tbsRequest → requestList → the first Request → reqCert, with its tag and length. */
function certIdIn(request: Buffer): Buffer {
  let content = request;
  for (let depth = 0; depth < 4; depth += 1) {
    // A version or a requestor's name can precede the list; both are context-tagged.
    const element = elementsIn(content).find(({ tag }) => tag === 0x30);
    if (!element) throw new RangeError('The body is not an OCSP request.');
    content = element.content;
  }
  const certId = elementsIn(content).find(({ tag }) => tag === 0x30);
  if (!certId) throw new RangeError('The OCSP request names no certificate.');
  return certId.whole;
}

/** The root issued only the intermediate. The last element of a CertID is the serial number. */
function issuedByRoot(certId: Buffer, { intermediate }: Chain): boolean {
  const serial =
    elementsIn(elementsIn(certId)[0]?.content ?? certId)
      .at(-1)
      ?.content.toString('hex') ?? '';
  const { serialNumber } = new X509Certificate(derOf(intermediate));
  return BigInt(`0x${serial}`) === BigInt(`0x${serialNumber}`);
}

/** SHA-1 of the responder's public key, without its algorithm. */
function keyHash(responder: Identity): Buffer {
  const spki = elementsIn(Buffer.from(responder.certificate.publicKey.rawData))[0]?.content ?? Buffer.alloc(0);
  const bits = elementsIn(spki)[1]?.content.subarray(1) ?? Buffer.alloc(0);
  return createHash('sha1').update(bits).digest();
}
