import { createHmac, hkdfSync } from 'node:crypto';

/**
 * What is remembered of a person who had their trial: that somebody with this account, this address or this card did.
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
    return [this.hashOfAccount(firebaseUid), this.hashOfAddress(verifiedEmail)];
  }

  hashOfAccount(firebaseUid: string): Buffer {
    return this.hash(`uid:${firebaseUid}`);
  }

  hashOfAddress(email: string): Buffer {
    return this.hash(`email:${normalisedEmail(email)}`);
  }

  /** @param fingerprint the provider's name for a card or account, the same under whichever customer */
  hashOfPaymentMethod(fingerprint: string): Buffer {
    return this.hash(`payment-method:${fingerprint}`);
  }

  /** Which trial it was, so that it can be told from another. */
  hashOfTrial(providerRef: string): Buffer {
    return this.hash(`trial:${providerRef}`);
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
