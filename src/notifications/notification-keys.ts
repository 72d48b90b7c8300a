import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { optionalKinds, type OptionalKind } from '../preferences/index.js';

/** Who wants no more of what. */
export interface Unsubscription {
  readonly userId: string;
  readonly kind: OptionalKind;
}

const unsubscription = z.strictObject({ userId: z.uuid(), kind: z.enum(optionalKinds) });

const [ivBytes, tagBytes] = [12, 16];

/** What mails carry that only this service can have made. Its keys come from the gatekeeper's secret key. */
export class NotificationKeys {
  private readonly sealing: Buffer;
  private readonly naming: Buffer;

  /** @param secretKey 32 bytes */
  constructor(secretKey: Buffer) {
    const derive = (use: string) => Buffer.from(hkdfSync('sha256', secretKey, '', `notifications: ${use}`, 32));
    this.sealing = derive('unsubscribe');
    this.naming = derive('message id');
  }

  /**
   * What the address to unsubscribe at ends with: AES-256-GCM over who and what, so that it says nothing to whoever sees it
   * in a log, and nobody can make another's. It stays good: people unsubscribe from old mails.
   */
  seal({ userId, kind }: Unsubscription): string {
    const iv = randomBytes(ivBytes);
    const cipher = createCipheriv('aes-256-gcm', this.sealing, iv);
    const sealed = Buffer.concat([cipher.update(`${userId} ${kind}`), cipher.final()]);
    return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url');
  }

  /** @returns undefined for what `seal` did not make */
  open(token: string): Unsubscription | undefined {
    const bytes = Buffer.from(token, 'base64url');
    if (bytes.length <= ivBytes + tagBytes) return undefined;
    const decipher = createDecipheriv('aes-256-gcm', this.sealing, bytes.subarray(0, ivBytes));
    decipher.setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
    try {
      const text = Buffer.concat([decipher.update(bytes.subarray(ivBytes + tagBytes)), decipher.final()]).toString();
      const [userId, kind] = text.split(' ');
      return unsubscription.parse({ userId, kind });
    } catch {
      return undefined;
    }
  }

  /** The same for each attempt at one delivery, so that a mail which went out twice is known as one. 32 characters. */
  messageName(delivery: bigint): string {
    return createHmac('sha256', this.naming).update(String(delivery)).digest('hex').slice(0, 32);
  }
}
