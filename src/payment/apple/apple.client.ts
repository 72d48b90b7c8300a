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

/** What a notification of the App Store speaks of; its contents were verified, each by its own signature. */
export interface AppleNotification {
  readonly id: string;
  readonly type: string;
  readonly signedAt: Date;
  /** Undefined when it speaks of no subscription, such as a test. */
  readonly originalTransactionId: string | undefined;
}

/** A subscription as the App Store has it. */
export interface AppleSubscription {
  /** https://developer.apple.com/documentation/appstoreserverapi/status */
  readonly status: number;
  readonly transaction: JWSTransactionDecodedPayload;
  readonly renewal: JWSRenewalInfoDecodedPayload;
}

const faults = {
  signature: 'Expected data that the App Store signed.',
  environment: 'This was signed for another environment of the App Store.',
  app: 'This was signed for another app.',
};

/** Signed data that proves nothing here. The message may be shown to its bearer. */
export class AppleDataError extends Error {
  constructor(readonly reason: keyof typeof faults) {
    super(faults[reason]);
    this.name = 'AppleDataError';
  }
}

/** For one answer. */
const patienceMs = 8_000;

/**
 * The App Store, as far as this service asks it. The one file that knows Apple's library.
 *
 * Whatever comes from Apple, over its API or from an app, is signed data and verified here: chain up to Apple's root,
 * revocation asked of Apple's OCSP responder, app and environment. The two environments of the library that skip
 * signatures, Xcode's and local testing's, cannot be configured.
 *
 * @throws {AppleDataError} from `verify…`, {ProviderUnavailable} and {ProviderRefusal} from every method
 */
export class AppleClient {
  private readonly api: AppStoreServerAPIClient;
  private readonly verifier: SignedDataVerifier;

  constructor(
    { bundleId, appId, environment, issuerId, keyId, privateKey, api }: AppleSettings,
    timeoutMs = patienceMs,
  ) {
    const where = environment === 'Production' ? Environment.PRODUCTION : Environment.SANDBOX;
    this.api = new ApiClient(privateKey, keyId, issuerId, bundleId, where, api?.url, timeoutMs);
    const root = new X509Certificate(api ? readFileSync(api.caFile) : appleRootCertificate);
    this.verifier = new SignedDataVerifier([root.raw], true, where, bundleId, appId);
  }

  /** Verifies a notification, and the transaction and renewal inside it. */
  async verifyNotification(signedPayload: string): Promise<AppleNotification> {
    const notification = await verifying(() => this.verifier.verifyAndDecodeNotification(signedPayload));
    const { notificationUUID, notificationType, subtype, signedDate } = notification;
    if (!notificationUUID || !notificationType || !signedDate) throw new AppleDataError('signature');
    return {
      id: notificationUUID,
      type: [notificationType, subtype].filter(Boolean).join('.'),
      signedAt: new Date(signedDate),
      originalTransactionId: await this.transactionOf(notification),
    };
  }

  async verifyTransaction(signedTransaction: string): Promise<JWSTransactionDecodedPayload> {
    return verifying(() => this.verifier.verifyAndDecodeTransaction(signedTransaction));
  }

  /** @returns undefined when the App Store knows no such subscription */
  async subscription(originalTransactionId: string): Promise<AppleSubscription | undefined> {
    const { data = [] } = await asking(() => this.api.getAllSubscriptionStatuses(originalTransactionId));
    const found = data
      .flatMap(({ lastTransactions = [] }) => lastTransactions)
      .find((last) => last.originalTransactionId === originalTransactionId);
    if (found?.status === undefined || !found.signedTransactionInfo || !found.signedRenewalInfo) return undefined;
    const { status, signedTransactionInfo, signedRenewalInfo } = found;
    const [transaction, renewal] = await fromApi(() =>
      Promise.all([
        this.verifier.verifyAndDecodeTransaction(signedTransactionInfo),
        this.verifier.verifyAndDecodeRenewalInfo(signedRenewalInfo),
      ]),
    );
    return { status, transaction, renewal };
  }

  /** Every payment of a subscription, and no other of the same Apple account. */
  async transactions(originalTransactionId: string): Promise<JWSTransactionDecodedPayload[]> {
    const all: JWSTransactionDecodedPayload[] = [];
    const asked = { productTypes: [ProductType.AUTO_RENEWABLE] };
    for (let revision: string | null = null; ;) {
      const page = await asking(() =>
        this.api.getTransactionHistory(originalTransactionId, revision, asked, GetTransactionHistoryVersion.V2),
      );
      const signed = page.signedTransactions ?? [];
      all.push(
        ...(await fromApi(() => Promise.all(signed.map((one) => this.verifier.verifyAndDecodeTransaction(one))))),
      );
      if (page.hasMore !== true || page.revision === undefined) break;
      revision = page.revision;
    }
    return all.filter((transaction) => transaction.originalTransactionId === originalTransactionId);
  }

  /** Every notification that the App Store sent, or tried to send, in a time of at most 180 days. */
  async *notifications(from: Date, to: Date): AsyncGenerator<AppleNotification> {
    const asked = { startDate: from.getTime(), endDate: to.getTime() };
    for (let token: string | null = null; ;) {
      const page = await asking(() => this.api.getNotificationHistory(token, asked));
      for (const { signedPayload } of page.notificationHistory ?? []) {
        if (signedPayload !== undefined) yield await fromApi(() => this.verifyNotification(signedPayload));
      }
      if (page.hasMore !== true || page.paginationToken === undefined) return;
      token = page.paginationToken;
    }
  }

  private async transactionOf({ data }: ResponseBodyV2DecodedPayload): Promise<string | undefined> {
    const { signedTransactionInfo, signedRenewalInfo } = data ?? {};
    const [transaction, renewal] = await Promise.all([
      signedTransactionInfo === undefined ? undefined : this.verifyTransaction(signedTransactionInfo),
      signedRenewalInfo === undefined
        ? undefined
        : verifying(() => this.verifier.verifyAndDecodeRenewalInfo(signedRenewalInfo)),
    ]);
    return transaction?.originalTransactionId ?? renewal?.originalTransactionId;
  }
}

/** Apple's client, with a limit to its patience, and in development another host. */
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
    // The library declares node-fetch's Response, and uses of it what every Response has: `ok`, `status` and `json()`.
    return response;
  }
}

async function verifying<T>(verify: () => Promise<T>): Promise<T> {
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

/** What Apple's own API answers must verify too; if it does not, the answer counts as none. */
async function fromApi<T>(verify: () => Promise<T>): Promise<T> {
  try {
    return await verifying(verify);
  } catch (error) {
    if (error instanceof AppleDataError) throw new ProviderUnavailable('apple', `unverifiable_${error.reason}`);
    throw error;
  }
}

/** https://developer.apple.com/documentation/appstoreserverapi/error_codes */
async function asking<T>(question: () => Promise<T>): Promise<T> {
  try {
    return await question();
  } catch (error) {
    if (!(error instanceof APIException)) throw new ProviderUnavailable('apple', 'connection');
    const { httpStatusCode, apiError } = error;
    if (httpStatusCode === 400 || httpStatusCode === 404)
      throw new ProviderRefusal('apple', String(apiError ?? httpStatusCode));
    throw new ProviderUnavailable('apple', `status_${httpStatusCode}`);
  }
}
