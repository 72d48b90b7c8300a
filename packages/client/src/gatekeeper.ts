import {
  type DirectoryDirectoryData,
  type SubscriptionReportData,
  type SubscriptionStartTrialData,
  type VpnTokenIssueData,
  type VpnTokenIssueResponse,
} from './api.gen.js';
import { fromBase64url, toBase64url } from './bytes.js';
import { directoryPath, type IssuerDirectory, parseDirectory } from './directory.js';
import { retrying } from './retrying.js';
import { type BlindedToken } from './token.js';
import { type Answer, type ApiRequest, type Call, type Transport, unexpectedAnswer } from './transport.js';
import { isRecord, isSubscription, type Subscription } from './wire.js';

/** Maximum number of blinded tokens in one request. */
export const maxBatchSize = 32;

/** The gatekeeper, which knows the user. It never receives a token, and the anonymizer never receives what is sent here. */
export class Gatekeeper {
  constructor(
    private readonly transport: Transport,
    private readonly getIdToken: () => Promise<string> | string,
  ) {}

  /** Requested without credentials. */
  async directory(): Promise<IssuerDirectory> {
    return parseDirectory(await this.transport.call<DirectoryDirectoryData>({ path: directoryPath }));
  }

  async startTrial(): Promise<Subscription> {
    return asSubscription(
      await this.request<SubscriptionStartTrialData>({ path: '/subscription/trial', method: 'POST' }),
    );
  }

  async subscription(): Promise<Subscription> {
    return asSubscription(await this.request<SubscriptionReportData>({ path: '/subscription' }));
  }

  /**
   * Retried when the answer is lost: the same blinded tokens cost quota only once.
   *
   * @param blinded 1 to 32, all of one key
   * @param keyId base64url
   * @returns as many blind signatures, 256 bytes each
   */
  async sign(blinded: readonly Pick<BlindedToken, 'blindedToken'>[], keyId: string): Promise<Uint8Array[]> {
    const texts = blinded.map(({ blindedToken }) => toBase64url(blindedToken));
    const [first = '', ...others] = texts;
    const body: VpnTokenIssueData['body'] =
      others.length === 0 ? { blindedToken: first, keyId } : { blindedTokens: texts, keyId };
    const call = { path: '/auth/vpn-token', method: 'POST', body } as const;
    const answer: Unchecked<VpnTokenIssueResponse> = await retrying(() => this.request<VpnTokenIssueData>(call));
    const signatures: unknown = others.length === 0 ? [answer.signature] : answer.signatures;
    if (!Array.isArray(signatures) || signatures.length !== texts.length) throw unexpectedAnswer(200);
    return signatures.map((text: unknown) => {
      const signature = typeof text === 'string' ? fromBase64url(text, 256) : undefined;
      if (signature === undefined) throw unexpectedAnswer(200);
      return signature;
    });
  }

  /** A request with the user's ID token. @returns the answer with its ETag, not validated yet */
  async exchange<Request extends ApiRequest>(call: Call<Request>): Promise<Answer> {
    return this.transport.exchange<Request>({ ...call, bearer: await this.getIdToken() });
  }

  private async request<Request extends ApiRequest>(call: Call<Request>): Promise<Record<string, unknown>> {
    const { body } = await this.exchange<Request>(call);
    if (!isRecord(body)) throw unexpectedAnswer(200);
    return body;
  }
}

/** An answer's members, not validated yet. */
type Unchecked<Answer> = { readonly [Name in Answer extends unknown ? keyof Answer : never]?: unknown };

function asSubscription(answer: unknown): Subscription {
  if (!isSubscription(answer)) throw unexpectedAnswer(200);
  return answer;
}
