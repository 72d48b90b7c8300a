import { constants, createPrivateKey, type KeyObject, randomBytes, sign } from 'node:crypto';
import { buildTokenInput } from '../../src/crypto/index.js';
import { type OpenedIssuerKey } from './opened-issuer-key.js';

/** A token of 98 bytes and its signature of 256 bytes, base64url, which the service accepts. */
export interface MintedToken {
  readonly token: string;
  readonly signature: string;
}

/**
 * Makes redeemable tokens with the issuer's own private key, without blinding: the final signature is the same RSASSA-PSS
 * signature, and it is faster to make. Tokens that one round does not use are used in the next.
 */
export class TokenMint {
  private readonly key: KeyObject;
  private readonly keyId: Buffer;
  private spare: MintedToken[] = [];

  constructor(
    { privateKey, keyId }: OpenedIssuerKey,
    private readonly challengeDigest: Buffer,
  ) {
    this.key = createPrivateKey({ key: privateKey, format: 'der', type: 'pkcs8' });
    this.keyId = keyId;
  }

  /** Returns `count` tokens, in a list that the caller may modify. */
  async take(count: number): Promise<MintedToken[]> {
    while (this.spare.length < count) {
      this.spare.push(...(await Promise.all(Array.from({ length: 64 }, () => this.mint()))));
    }
    return this.spare.splice(0, count);
  }

  giveBack(unused: readonly MintedToken[]): void {
    this.spare.push(...unused);
  }

  private async mint(): Promise<MintedToken> {
    const { challengeDigest, keyId } = this;
    const token = buildTokenInput({ nonce: randomBytes(32), challengeDigest, keyId });
    const signature = await this.sign(token);
    return { token: token.toString('base64url'), signature: signature.toString('base64url') };
  }

  /** With a callback, Node signs on its thread pool and so on all cores. */
  private sign(token: Buffer): Promise<Buffer> {
    const pss = { key: this.key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 };
    return new Promise((resolve, reject) => {
      sign('sha384', token, pss, (error, signature) => (error === null ? resolve(signature) : reject(error)));
    });
  }
}
