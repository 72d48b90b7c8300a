import { sign } from 'node:crypto';
import { type Chain, derOf } from './chain.js';

/** The parts of a signature that tests can falsify. */
export interface SignatureOverrides {
  /** Replaces ES256. */
  readonly alg?: string;
  /** Replaces the chain: leaf, intermediate, root. */
  readonly x5c?: readonly string[];
}

/** Signs as the App Store does: a compact JWS with ES256 and the chain in `x5c`. */
export class Signer {
  private readonly x5c: readonly string[];

  constructor(private readonly chain: Chain) {
    this.x5c = [chain.leaf, chain.intermediate, chain.root].map((one) => derOf(one).toString('base64'));
  }

  sign(payload: object, { alg = 'ES256', x5c = this.x5c }: SignatureOverrides = {}): string {
    const signed = `${encode({ alg, x5c })}.${encode(payload)}`;
    const key = { key: this.chain.leaf.key, dsaEncoding: 'ieee-p1363' } as const;
    return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
  }
}

const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
