import { createHmac, hkdfSync } from 'node:crypto';

/**
 * What is remembered of a person who had their trial: that somebody with this account, and somebody with this address, did.
 * Keyed hashes, so that the table alone names nobody and cannot be searched by trying addresses; another key would forget
 * every trial.
 */
export class TrialGrants {
  private readonly key: Buffer;

  constructor(secretKey: Buffer) {
    this.key = Buffer.from(hkdfSync('sha256', secretKey, '', 'trial-grant', 32));
  }

  /** 32 bytes each: of the account and of the address. */
  hashesOf(firebaseUid: string, verifiedEmail: string): [Buffer, Buffer] {
    return [this.hash(`uid:${firebaseUid}`), this.hash(`email:${normalisedEmail(verifiedEmail)}`)];
  }

  private hash(text: string): Buffer {
    return createHmac('sha256', this.key).update(text).digest();
  }
}

/**
 * One text for the spellings that reach one mailbox: letter case, "+tag" suffixes, and the dots that Gmail does not read.
 * Nothing is ever sent to it.
 */
export function normalisedEmail(email: string): string {
  const text = email.normalize('NFKC').trim().toLowerCase();
  const at = text.lastIndexOf('@');
  const domain = text.slice(at + 1).replace(/^googlemail\.com$/, 'gmail.com');
  const mailbox = text.slice(0, at).replace(/(?<=.)\+.*$/, '');
  return `${domain === 'gmail.com' ? mailbox.replaceAll('.', '') : mailbox}@${domain}`;
}
