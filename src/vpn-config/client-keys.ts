import { generateKeyPairSync, type KeyObject } from 'node:crypto';

type Bytes = Buffer<ArrayBuffer>;

/** The client's side of a tunnel: its public key, and the private one only when we made the pair for it. */
export interface ClientKeys {
  readonly publicKey: Bytes;
  readonly privateKey?: Bytes;
}

/** A WireGuard key pair for a client that sent none. It is in the reply and nowhere else. */
export function makeClientKeys(): Required<ClientKeys> {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  return { publicKey: rawKey(publicKey, 'x'), privateKey: rawKey(privateKey, 'd') };
}

/** RFC 8037 §2: the raw 32 bytes. */
function rawKey(key: KeyObject, part: 'x' | 'd'): Bytes {
  return Buffer.from(key.export({ format: 'jwk' })[part] ?? '', 'base64url');
}
