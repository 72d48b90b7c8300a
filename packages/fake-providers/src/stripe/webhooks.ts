import Stripe from 'stripe';
import { type Clock, Deliveries, type DeliveryFaults, post, type RetryPolicy, SeededRandom } from '../common/index.js';
import { type Account } from './account.js';

export interface Attempt {
  readonly event: string;
  readonly type: string;
  /** Undefined when nobody answered. */
  readonly status: number | undefined;
}

interface Message {
  readonly event: string;
  readonly endpoint: string;
}

interface WebhookOptions {
  readonly account: Account;
  /** What signatures are dated by: the moment of sending, not the account's own time. */
  readonly clock: Clock;
  readonly retry: RetryPolicy;
  readonly concurrency: number;
}

/**
 * Tells a backend of events. "Stripe doesn't guarantee delivery of events in the order in which they're generated", and
 * "webhook endpoints might occasionally receive the same event more than once": https://docs.stripe.com/webhooks
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
        const kept = this.options.account.objects.events.get(event);
        kept.pending_webhooks = Math.max(0, kept.pending_webhooks - 1);
      },
    });
  }

  /** An endpoint of its own, even where one is there for this URL. */
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

  /** The endpoint for this URL: the one that is there, or a new one. */
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

  /** What the Dashboard's "Resend" does. */
  async resend(event: string): Promise<void> {
    for (const { id } of this.options.account.objects.webhookEndpoints.all()) {
      this.deliveries.sendNow({ event, endpoint: id });
    }
    await this.deliveries.settled();
  }

  /** What was under way when the fake last ended. */
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

  /** Ends `hold`, and sends the events that were held, by id, as `arrange` gives them: in another order, twice, or not. */
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

  /** The body and the headers of a delivery that is sent now. */
  sign(event: Stripe.Event, endpoint: string): { body: string; headers: Record<string, string> } {
    // As Stripe sends it: indented.
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
