import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

/**
 * Encrypts private keys at rest with AES-256-GCM and ISSUER_KEY_ENCRYPTION_KEY.
 *
 *     version 1 · tag of the encryption key 8 · nonce 12 · ciphertext · authentication tag 16
 *
 * The key id is part of the authenticated data, so that the private keys of two rows cannot be swapped. The tag identifies the
 * encryption key, so that it can be rotated: set the new one, and keep the old one as …_PREVIOUS until maintenance has
 * re-encrypted every row.
 */
const version = 1;
const headerBytes = 9;
const nonceBytes = 12;
const tagBytes = 16;

export class PrivateKeyEncryptionError extends Error {
  constructor(readonly code: 'malformed' | 'unknown_encryption_key' | 'not_authentic') {
    super(`the private key of an issuer key cannot be decrypted: ${code}`);
    this.name = 'PrivateKeyEncryptionError';
  }
}

export class PrivateKeyEncryption {
  private readonly currentHeader: Buffer;
  private readonly keys: ReadonlyMap<string, Buffer>;

  /** @param current 32 bytes @param previous 32 bytes, only used to decrypt */
  constructor(
    private readonly current: Buffer,
    previous?: Buffer,
  ) {
    this.currentHeader = headerOf(current);
    this.keys = new Map([...(previous ? [previous] : []), current].map((key) => [headerOf(key).toString('hex'), key]));
  }

  seal(keyId: Buffer, privateKey: Buffer): Buffer {
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', this.current, nonce, { authTagLength: tagBytes });
    cipher.setAAD(Buffer.concat([this.currentHeader, keyId]));
    const ciphertext = Buffer.concat([cipher.update(privateKey), cipher.final()]);
    return Buffer.concat([this.currentHeader, nonce, ciphertext, cipher.getAuthTag()]);
  }

  /** @throws {PrivateKeyEncryptionError} */
  open(keyId: Buffer, sealed: Buffer): Buffer {
    if (sealed.length < headerBytes + nonceBytes + tagBytes || sealed.readUInt8(0) !== version) {
      throw new PrivateKeyEncryptionError('malformed');
    }
    const header = sealed.subarray(0, headerBytes);
    const key = this.keys.get(header.toString('hex'));
    if (key === undefined) throw new PrivateKeyEncryptionError('unknown_encryption_key');
    const nonce = sealed.subarray(headerBytes, headerBytes + nonceBytes);
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
    decipher.setAAD(Buffer.concat([header, keyId]));
    decipher.setAuthTag(sealed.subarray(-tagBytes));
    try {
      return Buffer.concat([decipher.update(sealed.subarray(headerBytes + nonceBytes, -tagBytes)), decipher.final()]);
    } catch {
      throw new PrivateKeyEncryptionError('not_authentic');
    }
  }

  /** The same private key, encrypted with the current encryption key; undefined when it is already. */
  rewrap(keyId: Buffer, sealed: Buffer): Buffer | undefined {
    if (sealed.subarray(0, headerBytes).equals(this.currentHeader)) return undefined;
    const opened = this.open(keyId, sealed);
    const wrapped = this.seal(keyId, opened);
    opened.fill(0);
    return wrapped;
  }
}

function headerOf(encryptionKey: Buffer): Buffer {
  const tag = createHash('sha256').update('issuer-key-encryption').update(encryptionKey).digest().subarray(0, 8);
  return Buffer.concat([Buffer.of(version), tag]);
}
