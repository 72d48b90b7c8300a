import { fromBase64url, toBase64url } from './bytes.js';
import { directoryPath, type IssuerDirectory, parseDirectory } from './directory.js';
import { retrying } from './retrying.js';
import { type BlindedToken } from './token.js';
import { type Transport, unexpectedAnswer } from './transport.js';
import { isRecord, isSubscription, type Subscription } from './wire.js';

/** Most blinded tokens in one request. */
export const largestBatch = 32;

/** The side that knows the person. Nothing in here reaches the other side, and no token comes here. */
export class Gatekeeper {
  constructor(
    private readonly transport: Transport,
    private readonly getIdToken: () => Promise<string> | string,
  ) {}

  /** Asked without credentials. */
  async directory(): Promise<IssuerDirectory> {
    return parseDirectory(await this.transport.call(directoryPath));
  }

  async startTrial(): Promise<Subscription> {
    return asSubscription(await this.identified('/subscription/trial', 'POST'));
  }

  async subscription(): Promise<Subscription> {
    return asSubscription(await this.identified('/subscription', 'GET'));
  }

  /**
   * Repeated when it may have been lost on the way: the same blinded tokens cost no quota twice.
   *
   * @param blinded 1 to 32, all of one key
   * @param keyId base64url
   * @returns as many blind signatures, 256 bytes each
   */
  async sign(blinded: readonly Pick<BlindedToken, 'blindedToken'>[], keyId: string): Promise<Uint8Array[]> {
    const texts = blinded.map(({ blindedToken }) => toBase64url(blindedToken));
    const body = texts.length === 1 ? { blindedToken: texts[0], keyId } : { blindedTokens: texts, keyId };
    const answer = await retrying(() => this.identified('/auth/vpn-token', 'POST', body));
    const signatures: unknown = texts.length === 1 ? [answer['signature']] : answer['signatures'];
    if (!Array.isArray(signatures) || signatures.length !== texts.length) throw unexpectedAnswer(200);
    return signatures.map((text: unknown) => {
      const signature = typeof text === 'string' ? fromBase64url(text, 256) : undefined;
      if (signature === undefined) throw unexpectedAnswer(200);
      return signature;
    });
  }

  private async identified(path: string, method: 'GET' | 'POST', body?: unknown): Promise<Record<string, unknown>> {
    const answer = await this.transport.call(path, { method, body, bearer: await this.getIdToken() });
    if (!isRecord(answer)) throw unexpectedAnswer(200);
    return answer;
  }
}

function asSubscription(answer: unknown): Subscription {
  if (!isSubscription(answer)) throw unexpectedAnswer(200);
  return answer;
}
