import { type DirectoryKey } from '../directory.js';
import { truncatedKeyId } from '../token-key.js';
import { type SigningKey, type StoredIssuerKey, toDirectoryKey } from './issuer-key.js';

/** A snapshot of the issuer's keys: those to publish, and those that can sign. */
export class KeyRing {
  readonly published: readonly DirectoryKey[];
  /** Newest first. */
  private readonly signing: readonly SigningKey[];

  constructor(stored: readonly StoredIssuerKey[], signing: readonly SigningKey[]) {
    this.published = stored.map(toDirectoryKey);
    this.signing = signing.toSorted((a, b) => b.notBefore.getTime() - a.notBefore.getTime());
  }

  /**
   * The key of the current epoch. Around midnight the key of the epoch before or after can sign too, but only for clients that
   * name it. Without a key of the current epoch, the newest key that can sign.
   */
  current(now: Date): SigningKey | undefined {
    const keys = this.signingAt(now);
    return keys.find((key) => key.notBefore <= now) ?? keys[0];
  }

  byId(keyId: Uint8Array, now: Date): SigningKey | undefined {
    return this.signingAt(now).find((key) => key.keyId.equals(keyId));
  }

  byTruncatedId(truncated: number, now: Date): SigningKey | undefined {
    return this.signingAt(now).find((key) => truncatedKeyId(key.keyId) === truncated);
  }

  private signingAt(now: Date): SigningKey[] {
    return this.signing.filter((key) => key.signsAt(now));
  }
}
