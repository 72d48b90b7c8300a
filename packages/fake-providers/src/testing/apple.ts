import {
  AppStoreServerAPIClient,
  type JWSRenewalInfoDecodedPayload,
  type JWSTransactionDecodedPayload,
  type NotificationHistoryResponse,
  type ResponseBodyV2DecodedPayload,
  SignedDataVerifier,
} from '@apple/app-store-server-library';
import { type FakeApple, type FakeAppleOptions, type Product, startFakeApple } from '../apple/index.js';
import { ManualClock } from './manual-clock.js';

const group = '21500001';

/** A monthly product with a free week, a monthly one of a higher level, and a yearly one. */
export const appleProducts = {
  basic: { id: 'vpn.basic.month', group, level: 2, period: 'P1M', price: 4990, currency: 'EUR', trialDays: 7 },
  plus: { id: 'vpn.plus.month', group, level: 1, period: 'P1M', price: 9990, currency: 'EUR' },
  yearly: { id: 'vpn.basic.year', group, level: 2, period: 'P1Y', price: 49_990, currency: 'EUR' },
} as const satisfies Record<string, Product>;

interface DecodedNotification {
  readonly payload: ResponseBodyV2DecodedPayload;
  readonly transaction: JWSTransactionDecodedPayload;
  readonly renewal: JWSRenewalInfoDecodedPayload;
}

/** A test bench: a fake App Store, Apple's own client and verifier for it, three products, and a clock that tests move. */
export interface AppleBench {
  readonly fake: FakeApple;
  readonly clock: ManualClock;
  readonly client: AppStoreServerAPIClient;
  verifier(options?: { online?: boolean; bundleId?: string; root?: Buffer }): SignedDataVerifier;
  /** Decodes a notification and verifies each of its signed parts. */
  decode(signedPayload: string): Promise<DecodedNotification>;
  /** All notifications so far, oldest first, as `TYPE/SUBTYPE status`. */
  sentNotifications(): Promise<string[]>;
}

/** Apple's client, pointed at the fake. */
export function appleClient(fake: FakeApple, key = fake.apiKey, bundleId = fake.bundleId): AppStoreServerAPIClient {
  const client = new AppStoreServerAPIClient(key.privateKey, key.keyId, key.issuerId, bundleId, fake.environment);
  // The library offers no option for the URL, only a private field.
  Reflect.set(client, 'urlBase', fake.url);
  return client;
}

export async function startApple(options: Partial<FakeAppleOptions> = {}): Promise<AppleBench> {
  const clock = new ManualClock();
  const products = Object.values(appleProducts);
  const fake = await startFakeApple({ bundleId: 'com.example.vpn', products, clock, ...options });
  const client = appleClient(fake);
  const verifier: AppleBench['verifier'] = ({
    online = false,
    bundleId = fake.bundleId,
    root = fake.rootCertificate,
  } = {}) => new SignedDataVerifier([root], online, fake.environment, bundleId, fake.appAppleId);
  const decode = async (signedPayload: string) => {
    const verify = verifier();
    const payload = await verify.verifyAndDecodeNotification(signedPayload);
    return {
      payload,
      transaction: await verify.verifyAndDecodeTransaction(payload.data?.signedTransactionInfo ?? ''),
      renewal: await verify.verifyAndDecodeRenewalInfo(payload.data?.signedRenewalInfo ?? ''),
    };
  };
  return {
    fake,
    clock,
    client,
    verifier,
    decode,
    sentNotifications: async () => {
      const sent: string[] = [];
      let token: string | null = null;
      do {
        const range = { startDate: fake.now().getTime() - 179 * 86_400_000, endDate: fake.now().getTime() };
        const page: NotificationHistoryResponse = await client.getNotificationHistory(token, range);
        for (const { signedPayload } of page.notificationHistory ?? []) {
          const { notificationType, subtype, data } = await verifier().verifyAndDecodeNotification(signedPayload ?? '');
          sent.push(`${notificationType}${subtype ? `/${subtype}` : ''} ${data?.status ?? '-'}`);
        }
        token = page.hasMore ? (page.paginationToken ?? null) : null;
      } while (token !== null);
      return sent;
    },
  };
}
