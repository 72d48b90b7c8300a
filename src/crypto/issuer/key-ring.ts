import { type DirectoryKey } from '../directory.js';
import { truncatedKeyId } from '../token-key.js';
import { type SigningKey, type StoredIssuerKey, toDirectoryKey } from './issuer-key.js';

/** The issuer's keys as they were at one moment: what is published, and what may sign. */
export class KeyRing {
  readonly published: readonly DirectoryKey[];
  /** Newest first. */
  private readonly signing: readonly SigningKey[];

  constructor(stored: readonly StoredIssuerKey[], signing: readonly SigningKey[]) {
    this.published = stored.map(toDirectoryKey);
    this.signing = signing.toSorted((a, b) => b.notBefore.getTime() - a.notBefore.getTime());
  }

  /** The epoch's own key. Around midnight its neighbours sign too, but only for those who name them. */
  current(now: Date): SigningKey | undefined {
    const able = this.able(now);
    return able.find((key) => key.notBefore <= now) ?? able[0];
  }

  byId(keyId: Uint8Array, now: Date): SigningKey | undefined {
    return this.able(now).find((key) => key.keyId.equals(keyId));
  }

  byTruncatedId(truncated: number, now: Date): SigningKey | undefined {
    return this.able(now).find((key) => truncatedKeyId(key.keyId) === truncated);
  }

  private able(now: Date): SigningKey[] {
    return this.signing.filter((key) => key.signsAt(now));
  }
}
