import { X509Certificate, createHash, createPrivateKey } from 'node:crypto';
import { SignJWT, UnsecuredJWT, errors, jwtVerify } from 'jose';
import { type Clock } from '../common/index.js';
import { type Account, type SignIn } from './accounts.js';
import { type Identity, createTokenSigner } from './certificates.js';
import { GoogleError } from './google-error.js';

/** What a test may make wrong about an ID token. */
export interface IdTokenOverrides {
  /** When it claims to have been issued and the person to have signed in. It always ends an hour later. */
  readonly issuedAt?: Date;
  /** Claims that replace the right ones; `undefined` leaves one out. */
  readonly claims?: Readonly<Record<string, unknown>>;
  /**
   * How it is signed: by a key that is not published, under its own key id (`unknown-key`) or under that of the
   * published one (`foreign-key`); not at all (`none`); or by HMAC with the published certificate as the secret, which
   * a verifier accepts that lets the token choose its algorithm.
   */
  readonly signature?: 'unknown-key' | 'foreign-key' | 'none' | 'hs256-with-certificate';
}

export const idTokenSeconds = 3600;

/** Mints Firebase's ID tokens, and reads them as the client endpoints do. */
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

  /** As Google publishes them: key id → certificate. */
  certificates(): Record<string, string> {
    return { [this.keyId]: this.signer.cert };
  }

  /** @param account may be gone by now: then the token names the uid alone. */
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
    const stranger = await createTokenSigner();
    const kid = signature === 'unknown-key' ? keyIdOf(stranger) : this.keyId;
    return jwt.setProtectedHeader({ ...header, kid }).sign(createPrivateKey(stranger.key));
  }
}

function keyIdOf(signer: Identity): string {
  return createHash('sha1').update(signer.cert).digest('hex');
}
