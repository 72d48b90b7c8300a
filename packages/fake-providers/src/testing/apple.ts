import {
  AppStoreServerAPIClient,
  type JWSRenewalInfoDecodedPayload,
  type JWSTransactionDecodedPayload,
  type NotificationHistoryResponse,
  type ResponseBodyV2DecodedPayload,
  SignedDataVerifier,
} from '@apple/app-store-server-library';
import { type AppleStandIn, type AppleStandInOptions, type Product, startAppleStandIn } from '../apple/index.js';
import { ManualClock } from './manual-clock.js';

const group = '21500001';

/** Monthly with a free week, monthly of a higher level, yearly. */
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

/** Apple's own client and verifier on a stand-in, with products and a clock that stands still. */
export interface AppleBench {
  readonly stand: AppleStandIn;
  readonly clock: ManualClock;
  readonly client: AppStoreServerAPIClient;
  verifier(options?: { online?: boolean; bundleId?: string; root?: Buffer }): SignedDataVerifier;
  /** Everything inside a notification, each part verified by itself. */
  decode(signedPayload: string): Promise<DecodedNotification>;
  /** What the App Store has told so far, oldest first, as `TYPE/SUBTYPE status`. */
  told(): Promise<string[]>;
}

/** Apple's client, on another host. */
export function appleClient(
  stand: AppleStandIn,
  key = stand.apiKey,
  bundleId = stand.bundleId,
): AppStoreServerAPIClient {
  const client = new AppStoreServerAPIClient(key.privateKey, key.keyId, key.issuerId, bundleId, stand.environment);
  // The library has no option for it, and a private field.
  Reflect.set(client, 'urlBase', stand.url);
  return client;
}

export async function startApple(options: Partial<AppleStandInOptions> = {}): Promise<AppleBench> {
  const clock = new ManualClock();
  const products = Object.values(appleProducts);
  const stand = await startAppleStandIn({ bundleId: 'com.example.vpn', products, clock, ...options });
  const client = appleClient(stand);
  const verifier: AppleBench['verifier'] = ({
    online = false,
    bundleId = stand.bundleId,
    root = stand.rootCertificate,
  } = {}) => new SignedDataVerifier([root], online, stand.environment, bundleId, stand.appAppleId);
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
    stand,
    clock,
    client,
    verifier,
    decode,
    told: async () => {
      const told: string[] = [];
      let token: string | null = null;
      do {
        const range = { startDate: stand.now().getTime() - 179 * 86_400_000, endDate: stand.now().getTime() };
        const page: NotificationHistoryResponse = await client.getNotificationHistory(token, range);
        for (const { signedPayload } of page.notificationHistory ?? []) {
          const { notificationType, subtype, data } = await verifier().verifyAndDecodeNotification(signedPayload ?? '');
          told.push(`${notificationType}${subtype ? `/${subtype}` : ''} ${data?.status ?? '-'}`);
        }
        token = page.hasMore ? (page.paginationToken ?? null) : null;
      } while (token !== null);
      return told;
    },
  };
}
