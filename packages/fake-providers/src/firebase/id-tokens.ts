import { X509Certificate, createHash, createPrivateKey } from 'node:crypto';
import { SignJWT, UnsecuredJWT, errors, jwtVerify } from 'jose';
import { type Clock } from '../common/index.js';
import { type Account, type SignIn } from './accounts.js';
import { type Identity, createTokenSigner } from './certificates.js';
import { GoogleError } from './google-error.js';

/** The parts of an ID token that tests can falsify. */
export interface IdTokenOverrides {
  /** Sets `iat` and `auth_time`. The token always expires an hour later. */
  readonly issuedAt?: Date;
  /** Claims that replace the valid ones; `undefined` removes one. */
  readonly claims?: Readonly<Record<string, unknown>>;
  /**
   * How the token is signed:
   * - `unknown-key`: with a key that is not published, under that key's id.
   * - `foreign-key`: with a key that is not published, under the published key's id.
   * - `none`: not at all.
   * - `hs256-with-certificate`: with HMAC and the published certificate as the secret. A verifier that lets the token choose
   *   its algorithm accepts this.
   */
  readonly signature?: 'unknown-key' | 'foreign-key' | 'none' | 'hs256-with-certificate';
}

export const idTokenSeconds = 3600;

/** Mints Firebase's ID tokens, and verifies them for the client endpoints. */
export class IdTokens {
  private readonly key;
  private readonly publicKey;
  private readonly keyId;

  constructor(
    private readonly projectId: string,
    private readonly signer: Identity,
    private readonly clock: Clock,
  ) {
    this.key = createPrivateKey(signer.key);
    this.publicKey = new X509Certificate(signer.cert).publicKey;
    this.keyId = keyIdOf(signer);
  }

  /** The published certificates by key id, in Google's format. */
  certificates(): Record<string, string> {
    return { [this.keyId]: this.signer.cert };
  }

  /** @param account left out when it no longer exists. The token then has no address. */
  async mint(
    signIn: SignIn,
    account?: Account,
    { claims, signature, issuedAt }: IdTokenOverrides = {},
  ): Promise<string> {
    const now = Math.floor((issuedAt ?? this.clock.now()).getTime() / 1000);
    const payload = {
      iss: this.issuer,
      aud: this.projectId,
      auth_time: issuedAt ? now : signIn.authTime,
      user_id: signIn.uid,
      sub: signIn.uid,
      iat: now,
      exp: now + idTokenSeconds,
      ...(account && { email: account.email, email_verified: account.emailVerified }),
      firebase: { identities: account ? { email: [account.email] } : {}, sign_in_provider: 'password' },
      ...claims,
    };
    return this.sign(payload, signature);
  }

  /** @throws {GoogleError} INVALID_ID_TOKEN or TOKEN_EXPIRED */
  async read(token: string): Promise<SignIn> {
    const options = { algorithms: ['RS256'], issuer: this.issuer, audience: this.projectId };
    try {
      const { payload } = await jwtVerify(token, this.publicKey, { ...options, currentDate: this.clock.now() });
      return { uid: String(payload.sub), authTime: Number(payload.auth_time) };
    } catch (error) {
      throw new GoogleError(error instanceof errors.JWTExpired ? 'TOKEN_EXPIRED' : 'INVALID_ID_TOKEN');
    }
  }

  private get issuer(): string {
    return `https://securetoken.google.com/${this.projectId}`;
  }

  private async sign(payload: Record<string, unknown>, signature: IdTokenOverrides['signature']): Promise<string> {
    if (signature === 'none') return new UnsecuredJWT(payload).encode();
    const jwt = new SignJWT(payload);
    const header = { alg: 'RS256', kid: this.keyId, typ: 'JWT' };
    if (signature === undefined) return jwt.setProtectedHeader(header).sign(this.key);
    if (signature === 'hs256-with-certificate') {
      return jwt.setProtectedHeader({ ...header, alg: 'HS256' }).sign(Buffer.from(this.signer.cert));
    }
    const otherSigner = await createTokenSigner();
    const kid = signature === 'unknown-key' ? keyIdOf(otherSigner) : this.keyId;
    return jwt.setProtectedHeader({ ...header, kid }).sign(createPrivateKey(otherSigner.key));
  }
}

function keyIdOf(signer: Identity): string {
  return createHash('sha1').update(signer.cert).digest('hex');
}
