import { generateKeyPairSync, type KeyObject } from 'node:crypto';

type Bytes = Buffer<ArrayBuffer>;

/** The client's WireGuard keys. We have the private key only when we generated the pair. */
export interface ClientKeys {
  readonly publicKey: Bytes;
  readonly privateKey?: Bytes;
}

/** Generates a WireGuard key pair for a client that sent no key. The private key is only in the response, never stored. */
export function makeClientKeys(): Required<ClientKeys> {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  return { publicKey: rawKey(publicKey, 'x'), privateKey: rawKey(privateKey, 'd') };
}

/** RFC 8037 §2: the raw 32 bytes. */
function rawKey(key: KeyObject, part: 'x' | 'd'): Bytes {
  return Buffer.from(key.export({ format: 'jwk' })[part] ?? '', 'base64url');
}
