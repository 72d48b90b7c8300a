import { readFileSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import {
  APIException,
  AppStoreServerAPIClient,
  Environment,
  GetTransactionHistoryVersion,
  type JWSRenewalInfoDecodedPayload,
  type JWSTransactionDecodedPayload,
  ProductType,
  type ResponseBodyV2DecodedPayload,
  SignedDataVerifier,
  VerificationException,
  VerificationStatus,
} from '@apple/app-store-server-library';
import { type GatekeeperConfig } from '../../platform/config/index.js';
import { appleRootCertificate } from './apple-root.js';
import { ProviderRefusal, ProviderUnavailable } from '../providers/provider-errors.js';

type AppleSettings = NonNullable<GatekeeperConfig['apple']>;

/** A verified App Store notification. The data inside it was verified too, each part by its own signature. */
export interface AppleNotification {
  readonly id: string;
  readonly type: string;
  readonly signedAt: Date;
  /** Undefined if it is not about a subscription, for example a test notification. */
  readonly originalTransactionId: string | undefined;
}

/** A subscription as the App Store currently has it. */
export interface AppleSubscription {
  /** https://developer.apple.com/documentation/appstoreserverapi/status */
  readonly status: number;
  readonly transaction: JWSTransactionDecodedPayload;
  readonly renewal: JWSRenewalInfoDecodedPayload;
}

const messages = {
  signature: 'The data has no valid App Store signature.',
  environment: 'The data was signed for another environment of the App Store.',
  app: 'The data was signed for another app.',
};

/** Signed data failed verification. The message is safe to show to the client. */
export class AppleDataError extends Error {
  constructor(readonly reason: keyof typeof messages) {
    super(messages[reason]);
    this.name = 'AppleDataError';
  }
}

/** Per request. */
const defaultTimeoutMs = 8_000;

/**
 * The calls to the App Store that this service needs. No other file calls Apple's API.
 *
 * Everything from Apple is signed data, over its API or from an app, and is verified here: the certificate chain up to
 * Apple's root, revocation at Apple's OCSP responder, the app and the environment. Apple's library skips signatures in two
 * environments, Xcode and local testing; neither can be configured.
 *
 * @throws {AppleDataError} from `verify…`, {ProviderUnavailable} and {ProviderRefusal} from every method
 */
export class AppleClient {
  private readonly api: AppStoreServerAPIClient;
  private readonly verifier: SignedDataVerifier;

  constructor(
    { bundleId, appId, environment, issuerId, keyId, privateKey, api }: AppleSettings,
    timeoutMs = defaultTimeoutMs,
  ) {
    const where = environment === 'Production' ? Environment.PRODUCTION : Environment.SANDBOX;
    this.api = new ApiClient(privateKey, keyId, issuerId, bundleId, where, api?.url, timeoutMs);
    const root = new X509Certificate(api ? readFileSync(api.caFile) : appleRootCertificate);
    this.verifier = new SignedDataVerifier([root.raw], true, where, bundleId, appId);
  }

  /** Verifies a notification, and the transaction and renewal inside it. */
  async verifyNotification(signedPayload: string): Promise<AppleNotification> {
    const notification = await verifySigned(() => this.verifier.verifyAndDecodeNotification(signedPayload));
    const { notificationUUID, notificationType, subtype, signedDate } = notification;
    if (!notificationUUID || !notificationType || !signedDate) throw new AppleDataError('signature');
    return {
      id: notificationUUID,
      type: [notificationType, subtype].filter(Boolean).join('.'),
      signedAt: new Date(signedDate),
      originalTransactionId: await this.originalTransactionOf(notification),
    };
  }

  async verifyTransaction(signedTransaction: string): Promise<JWSTransactionDecodedPayload> {
    return verifySigned(() => this.verifier.verifyAndDecodeTransaction(signedTransaction));
  }

  /** @returns undefined if the App Store has no such subscription */
  async subscription(originalTransactionId: string): Promise<AppleSubscription | undefined> {
    const { data = [] } = await callApple(() => this.api.getAllSubscriptionStatuses(originalTransactionId));
    const found = data
      .flatMap(({ lastTransactions = [] }) => lastTransactions)
      .find((last) => last.originalTransactionId === originalTransactionId);
    if (found?.status === undefined || !found.signedTransactionInfo || !found.signedRenewalInfo) return undefined;
    const { status, signedTransactionInfo, signedRenewalInfo } = found;
    const [transaction, renewal] = await verifyAnswer(() =>
      Promise.all([
        this.verifier.verifyAndDecodeTransaction(signedTransactionInfo),
        this.verifier.verifyAndDecodeRenewalInfo(signedRenewalInfo),
      ]),
    );
    return { status, transaction, renewal };
  }

  /** Every payment of a subscription. Apple's history also has other subscriptions of the same Apple account: left out. */
  async transactions(originalTransactionId: string): Promise<JWSTransactionDecodedPayload[]> {
    const all: JWSTransactionDecodedPayload[] = [];
    const filter = { productTypes: [ProductType.AUTO_RENEWABLE] };
    for (let revision: string | null = null; ;) {
      const page = await callApple(() =>
        this.api.getTransactionHistory(originalTransactionId, revision, filter, GetTransactionHistoryVersion.V2),
      );
      const signed = page.signedTransactions ?? [];
      all.push(
        ...(await verifyAnswer(() => Promise.all(signed.map((one) => this.verifier.verifyAndDecodeTransaction(one))))),
      );
      if (page.hasMore !== true || page.revision === undefined) break;
      revision = page.revision;
    }
    return all.filter((transaction) => transaction.originalTransactionId === originalTransactionId);
  }

  /** Every notification that the App Store sent, or tried to send. The range may span at most 180 days. */
  async *notifications(from: Date, to: Date): AsyncGenerator<AppleNotification> {
    const range = { startDate: from.getTime(), endDate: to.getTime() };
    for (let token: string | null = null; ;) {
      const page = await callApple(() => this.api.getNotificationHistory(token, range));
      for (const { signedPayload } of page.notificationHistory ?? []) {
        if (signedPayload !== undefined) yield await verifyAnswer(() => this.verifyNotification(signedPayload));
      }
      if (page.hasMore !== true || page.paginationToken === undefined) return;
      token = page.paginationToken;
    }
  }

  private async originalTransactionOf({ data }: ResponseBodyV2DecodedPayload): Promise<string | undefined> {
    const { signedTransactionInfo, signedRenewalInfo } = data ?? {};
    const [transaction, renewal] = await Promise.all([
      signedTransactionInfo === undefined ? undefined : this.verifyTransaction(signedTransactionInfo),
      signedRenewalInfo === undefined
        ? undefined
        : verifySigned(() => this.verifier.verifyAndDecodeRenewalInfo(signedRenewalInfo)),
    ]);
    return transaction?.originalTransactionId ?? renewal?.originalTransactionId;
  }
}

/** Apple's client with a timeout, and with another host in development. */
class ApiClient extends AppStoreServerAPIClient {
  constructor(
    privateKey: string,
    keyId: string,
    issuerId: string,
    bundleId: string,
    private readonly environment: Environment,
    private readonly apiUrl: string | undefined,
    private readonly timeoutMs: number,
  ) {
    super(privateKey, keyId, issuerId, bundleId, environment);
  }

  protected override async makeFetchRequest(
    ...[path, query, method, body, headers]: Parameters<AppStoreServerAPIClient['makeFetchRequest']>
  ): ReturnType<AppStoreServerAPIClient['makeFetchRequest']> {
    const production = this.environment === Environment.PRODUCTION;
    const base = this.apiUrl ?? `https://api.storekit${production ? '' : '-sandbox'}.itunes.apple.com`;
    const response = await fetch(`${base}${path}?${query.toString()}`, {
      method,
      headers,
      body: typeof body === 'string' ? body : undefined,
      signal: AbortSignal.timeout(this.timeoutMs),
    });
    // The library declares node-fetch's Response, but uses only what every Response has: `ok`, `status` and `json()`.
    return response;
  }
}

async function verifySigned<T>(verify: () => Promise<T>): Promise<T> {
  try {
    return await verify();
  } catch (error) {
    if (!(error instanceof VerificationException)) throw error;
    switch (error.status) {
      case VerificationStatus.RETRYABLE_VERIFICATION_FAILURE:
        throw new ProviderUnavailable('apple', 'ocsp');
      case VerificationStatus.INVALID_ENVIRONMENT:
        throw new AppleDataError('environment');
      case VerificationStatus.INVALID_APP_IDENTIFIER:
        throw new AppleDataError('app');
      default:
        throw new AppleDataError('signature');
    }
  }
}

/** Verifies data that Apple's API returned. If it is not valid, Apple counts as unavailable. */
async function verifyAnswer<T>(verify: () => Promise<T>): Promise<T> {
  try {
    return await verifySigned(verify);
  } catch (error) {
    if (error instanceof AppleDataError) throw new ProviderUnavailable('apple', `unverifiable_${error.reason}`);
    throw error;
  }
}

/** https://developer.apple.com/documentation/appstoreserverapi/error_codes */
async function callApple<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof APIException)) throw new ProviderUnavailable('apple', 'connection');
    const { httpStatusCode, apiError } = error;
    if (httpStatusCode === 400 || httpStatusCode === 404)
      throw new ProviderRefusal('apple', String(apiError ?? httpStatusCode));
    throw new ProviderUnavailable('apple', `status_${httpStatusCode}`);
  }
}
