import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { optionalKinds, type OptionalKind } from '../preferences/index.js';

/** The user, and the kind of mail to turn off. */
export interface Unsubscription {
  readonly userId: string;
  readonly kind: OptionalKind;
}

const unsubscription = z.strictObject({ userId: z.uuid(), kind: z.enum(optionalKinds) });

const [ivBytes, tagBytes] = [12, 16];

/** Creates the parts of mails that only this service can create. The keys are derived from the gatekeeper's secret key. */
export class NotificationKeys {
  private readonly unsubscribeKey: Buffer;
  private readonly messageIdKey: Buffer;

  /** @param secretKey 32 bytes */
  constructor(secretKey: Buffer) {
    const derive = (purpose: string) => Buffer.from(hkdfSync('sha256', secretKey, '', `notifications: ${purpose}`, 32));
    this.unsubscribeKey = derive('unsubscribe');
    this.messageIdKey = derive('message id');
  }

  /**
   * The token in the unsubscribe link: AES-256-GCM over user and kind. It reveals nothing if it appears in a log, and cannot
   * be forged for another user. It never expires, because users unsubscribe from old mails.
   */
  seal({ userId, kind }: Unsubscription): string {
    const iv = randomBytes(ivBytes);
    const cipher = createCipheriv('aes-256-gcm', this.unsubscribeKey, iv);
    const sealed = Buffer.concat([cipher.update(`${userId} ${kind}`), cipher.final()]);
    return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url');
  }

  /** @returns undefined if `seal` did not create the token */
  open(token: string): Unsubscription | undefined {
    const bytes = Buffer.from(token, 'base64url');
    if (bytes.length <= ivBytes + tagBytes) return undefined;
    const decipher = createDecipheriv('aes-256-gcm', this.unsubscribeKey, bytes.subarray(0, ivBytes));
    decipher.setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
    try {
      const text = Buffer.concat([decipher.update(bytes.subarray(ivBytes + tagBytes)), decipher.final()]).toString();
      const [userId, kind] = text.split(' ');
      return unsubscription.parse({ userId, kind });
    } catch {
      return undefined;
    }
  }

  /** The same for every attempt at one delivery, so that a mail that was sent twice is recognised. 32 characters. */
  messageName(delivery: bigint): string {
    return createHmac('sha256', this.messageIdKey).update(String(delivery)).digest('hex').slice(0, 32);
  }
}
