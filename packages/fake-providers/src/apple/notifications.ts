import { Environment, NotificationTypeV2, SendAttemptResult, type Subtype } from '@apple/app-store-server-library';
import { Deliveries, type DeliveryFaults, post, type RetryPolicy, SeededRandom } from '../common/index.js';
import { type Signer } from './signer.js';
import { type Notification, type State, type Subscription, type Transaction } from './state.js';

/**
 * App Store Server Notifications V2. Each is signed once, sent until the backend accepts it, and kept for the history.
 * https://developer.apple.com/documentation/appstoreservernotifications/responding-to-app-store-server-notifications
 */
export class Notifications {
  url: string | undefined;
  private readonly signed = new Map<string, string>();
  private readonly deliveries: Deliveries<Notification>;

  constructor(
    private readonly state: State,
    private readonly signer: Signer,
    retry: RetryPolicy,
    concurrency: number,
  ) {
    this.deliveries = new Deliveries({
      random: new SeededRandom(`${state.random.seed}:notifications`),
      retry,
      concurrency,
      send: (notification) => this.send(notification),
      onAccepted: (notification) => {
        notification.accepted = true;
      },
    });
  }

  /** @param about the transaction to include; the latest one by default. */
  notify(
    type: NotificationTypeV2,
    subtype: Subtype | undefined,
    subscription: Subscription,
    about?: Transaction,
  ): void {
    this.add(type, subtype, {
      transaction: { ...(about ?? this.state.latest(subscription)) },
      renewalInfo: this.state.renewalInfo(subscription),
      status: this.state.status(subscription),
    });
  }

  /** @returns the notification's id, which the status endpoint takes. */
  sendTest(): string {
    return this.add(NotificationTypeV2.TEST, undefined, {}).id;
  }

  /** Signs a notification once; later calls return the same payload until the fake is closed. */
  signedPayload(notification: Notification): string {
    const existing = this.signed.get(notification.id);
    if (existing !== undefined) return existing;
    const { bundleId, appAppleId, environment } = this.state.app;
    const { id, type, subtype, signedDate, transaction, renewalInfo, status } = notification;
    const payload = this.signer.sign({
      notificationType: type,
      ...(subtype && { subtype }),
      notificationUUID: id,
      version: '2.0',
      signedDate,
      data: {
        // "Available for apps that users download from the App Store. It isn't present in the sandbox environment."
        ...(environment === Environment.PRODUCTION && { appAppleId }),
        bundleId,
        bundleVersion: '1',
        environment,
        ...(transaction && { signedTransactionInfo: this.signer.sign({ ...transaction, signedDate }) }),
        ...(renewalInfo && { signedRenewalInfo: this.signer.sign({ ...renewalInfo, signedDate }) }),
        ...(status !== undefined && { status }),
      },
    });
    this.signed.set(id, payload);
    return payload;
  }

  signTransaction(transaction: Transaction): string {
    return this.signer.sign({ ...transaction, signedDate: this.state.now() });
  }

  signRenewalInfo(subscription: Subscription): string {
    return this.signer.sign({ ...this.state.renewalInfo(subscription), signedDate: this.state.now() });
  }

  setDeliveryFaults(faults: DeliveryFaults): void {
    this.deliveries.setFaults(faults);
  }

  hold(): void {
    this.deliveries.hold();
  }

  /** Ends `hold`, and sends the held notifications that `arrange` returns, in its order. */
  release(arrange: (ids: string[]) => string[] = (ids) => ids): void {
    const held = this.deliveries.takeHeld();
    for (const id of arrange(held.map((one) => one.id))) {
      for (const notification of held.filter((one) => one.id === id)) this.deliveries.enqueue(notification);
    }
  }

  retryNow(): void {
    this.deliveries.retryNow();
  }

  async settled(): Promise<void> {
    await this.deliveries.settled();
  }

  close(): void {
    this.deliveries.close();
  }

  private add(
    type: NotificationTypeV2,
    subtype: Subtype | undefined,
    content: Pick<Notification, 'renewalInfo' | 'status' | 'transaction'>,
  ): Notification {
    const [id, signedDate] = [this.state.random.uuid(), this.state.now()];
    const notification: Notification = { id, type, subtype, signedDate, ...content, attempts: [], accepted: false };
    this.state.notifications.push(notification);
    if (this.url !== undefined) this.deliveries.enqueue(notification);
    return notification;
  }

  private async send(notification: Notification): Promise<boolean> {
    const body = JSON.stringify({ signedPayload: this.signedPayload(notification) });
    const status = await post(this.url ?? '', body, { 'content-type': 'application/json' });
    const isAccepted = status !== undefined && status >= 200 && status <= 206;
    notification.attempts.push({ attemptDate: this.state.now(), sendAttemptResult: resultOf(status, isAccepted) });
    return isAccepted;
  }
}

function resultOf(status: number | undefined, isAccepted: boolean): SendAttemptResult {
  if (status === undefined) return SendAttemptResult.NO_RESPONSE;
  return isAccepted ? SendAttemptResult.SUCCESS : SendAttemptResult.UNSUCCESSFUL_HTTP_RESPONSE_CODE;
}
