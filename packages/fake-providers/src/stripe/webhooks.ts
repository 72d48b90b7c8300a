import Stripe from 'stripe';
import { type Clock, Deliveries, type DeliveryFaults, post, type RetryPolicy, SeededRandom } from '../common/index.js';
import { type Account } from './account.js';

export interface Attempt {
  readonly event: string;
  readonly type: string;
  /** Undefined without a response. */
  readonly status: number | undefined;
}

interface Message {
  readonly event: string;
  readonly endpoint: string;
}

interface WebhookOptions {
  readonly account: Account;
  /** The clock for signature timestamps: they have the real time of sending, not the account's time. */
  readonly clock: Clock;
  readonly retry: RetryPolicy;
  readonly concurrency: number;
}

/**
 * Sends events to webhook endpoints. "Stripe doesn't guarantee delivery of events in the order in which they're generated",
 * and "webhook endpoints might occasionally receive the same event more than once": https://docs.stripe.com/webhooks
 */
export class Webhooks {
  readonly attempts: Attempt[] = [];
  private readonly deliveries: Deliveries<Message>;

  constructor(private readonly options: WebhookOptions) {
    this.deliveries = new Deliveries({
      random: new SeededRandom(`${options.account.random.seed}:webhooks`),
      retry: options.retry,
      concurrency: options.concurrency,
      send: (message) => this.send(message),
      onAccepted: ({ event }) => {
        const stored = this.options.account.objects.events.get(event);
        stored.pending_webhooks = Math.max(0, stored.pending_webhooks - 1);
      },
    });
  }

  /** Adds an endpoint, even when this URL already has one. */
  add(url: string, enabledEvents: readonly string[] = ['*'], secret = this.newSecret()) {
    const { account } = this.options;
    const endpoint = account.objects.webhookEndpoints.add({
      id: account.id('we'),
      object: 'webhook_endpoint',
      api_version: Stripe.API_VERSION,
      application: null,
      created: account.now(),
      description: null,
      enabled_events: [...enabledEvents],
      livemode: account.livemode,
      metadata: {},
      status: 'enabled',
      url,
    });
    account.hidden.webhookSecrets[endpoint.id] = secret;
    return { endpoint, secret };
  }

  /** Returns the endpoint for this URL, or adds one. */
  ensure(url: string, enabledEvents?: readonly string[], secret?: string) {
    const { objects, hidden } = this.options.account;
    const endpoint = objects.webhookEndpoints.where((one) => one.url === url)[0];
    if (!endpoint) return this.add(url, enabledEvents, secret);
    return {
      endpoint,
      secret: (hidden.webhookSecrets[endpoint.id] = secret ?? hidden.webhookSecrets[endpoint.id] ?? ''),
    };
  }

  enqueue(event: Stripe.Event): void {
    for (const { id, enabled_events } of this.options.account.objects.webhookEndpoints.all()) {
      if (!enabled_events.includes('*') && !enabled_events.includes(event.type)) continue;
      event.pending_webhooks += 1;
      this.deliveries.enqueue({ event: event.id, endpoint: id });
    }
  }

  /** Sends the event to all endpoints, like "Resend" in the Dashboard. */
  async resend(event: string): Promise<void> {
    for (const { id } of this.options.account.objects.webhookEndpoints.all()) {
      this.deliveries.sendNow({ event, endpoint: id });
    }
    await this.deliveries.settled();
  }

  /** Sends the events that were still pending when the fake was closed. */
  resumePending(): void {
    for (const event of this.options.account.objects.events.where((one) => one.pending_webhooks > 0)) {
      for (const { id } of this.options.account.objects.webhookEndpoints.all())
        this.deliveries.enqueue({ event: event.id, endpoint: id });
    }
  }

  setDeliveryFaults(faults: DeliveryFaults): void {
    this.deliveries.setFaults(faults);
  }

  hold(): void {
    this.deliveries.hold();
  }

  /** Ends `hold`, and sends the held events whose ids `arrange` returns, in its order. */
  release(arrange: (events: string[]) => string[] = (events) => events): void {
    const held = this.deliveries.takeHeld();
    for (const event of arrange([...new Set(held.map((one) => one.event))])) {
      for (const message of held.filter((one) => one.event === event)) this.deliveries.enqueue(message);
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

  /** @returns the body and headers of a delivery, signed now. */
  sign(event: Stripe.Event, endpoint: string): { body: string; headers: Record<string, string> } {
    // Stripe sends indented JSON.
    const body = JSON.stringify(event, null, 2);
    const signature = Stripe.webhooks.generateTestHeaderString({
      payload: body,
      secret: this.options.account.hidden.webhookSecrets[endpoint] ?? '',
      timestamp: Math.floor(this.options.clock.now().getTime() / 1000),
    });
    return { body, headers: { 'content-type': 'application/json; charset=utf-8', 'stripe-signature': signature } };
  }

  private async send({ event: id, endpoint }: Message): Promise<boolean> {
    const target = this.options.account.objects.webhookEndpoints.find(endpoint);
    if (!target) return true;
    const event = this.options.account.objects.events.get(id);
    const { body, headers } = this.sign(event, endpoint);
    const status = await post(target.url, body, headers);
    this.attempts.push({ event: id, type: event.type, status });
    return status !== undefined && status >= 200 && status < 300;
  }

  private newSecret(): string {
    return `whsec_${this.options.account.random.text(32)}`;
  }
}
