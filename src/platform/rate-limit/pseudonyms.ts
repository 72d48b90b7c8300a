import { createHmac, hkdfSync } from 'node:crypto';
import { networkOf } from './network-of.js';

/** Computes the keyed hashes that stand for users and addresses in Redis. The salt changes with the UTC day. */
export class Pseudonyms {
  private readonly key: Buffer;

  constructor(secretKey: Buffer) {
    this.key = Buffer.from(hkdfSync('sha256', secretKey, '', 'rate-limit', 32));
  }

  /** 22 characters of base64url. All addresses of one network have the same. */
  ofAddress(address: string, on: Date): string {
    return this.of(networkOf(address), on);
  }

  /** 22 characters of base64url. */
  of(subject: string, on: Date): string {
    const salt = createHmac('sha256', this.key).update(on.toISOString().slice(0, 10)).digest();
    return createHmac('sha256', salt).update(subject).digest('base64url').slice(0, 22);
  }
}
