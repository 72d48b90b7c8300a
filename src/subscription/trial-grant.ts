import { createHmac, hkdfSync } from 'node:crypto';

/**
 * Computes the hashes under which a used trial is recorded: of the account, the e-mail address and the payment method. The
 * hashes are keyed, so the table alone identifies no one and cannot be searched by guessing addresses. Another key would make
 * the service forget every trial.
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

  /** @param fingerprint the provider's identifier of a card or bank account, the same for all its customers */
  hashOfPaymentMethod(fingerprint: string): Buffer {
    return this.hash(`payment-method:${fingerprint}`);
  }

  /** Identifies one trial, to distinguish it from others of the same user. */
  hashOfTrial(providerRef: string): Buffer {
    return this.hash(`trial:${providerRef}`);
  }

  private hash(text: string): Buffer {
    return createHmac('sha256', this.key).update(text).digest();
  }
}

/**
 * Maps the spellings of one mailbox to one text. Ignores letter case, "+tag" suffixes, and dots in Gmail addresses. The result
 * is only compared, never used as an address.
 */
export function normalisedEmail(email: string): string {
  const text = email.normalize('NFKC').trim().toLowerCase();
  const at = text.lastIndexOf('@');
  const domain = text.slice(at + 1).replace(/^googlemail\.com$/, 'gmail.com');
  const mailbox = text.slice(0, at).replace(/(?<=.)\+.*$/, '');
  return `${domain === 'gmail.com' ? mailbox.replaceAll('.', '') : mailbox}@${domain}`;
}
