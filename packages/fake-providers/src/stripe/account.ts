import Stripe from 'stripe';
import { SeededRandom, type Timeline, type TimelineSnapshot } from '../common/index.js';
import { missing } from './errors.js';
import { type Hidden, nothingHidden } from './hidden.js';
import { type BillingSettings } from './settings.js';
import { Table } from './tables.js';

/** A line for the next invoice of a subscription. */
interface PendingLine {
  readonly id: string;
  readonly subscription: string;
  readonly line: Stripe.InvoiceLineItem;
}

const objectNames = {
  customers: 'customer',
  products: 'product',
  prices: 'price',
  sessions: 'checkout.session',
  portalSessions: 'billing_portal.session',
  subscriptions: 'subscription',
  invoices: 'invoice',
  invoicePayments: 'invoice_payment',
  paymentMethods: 'PaymentMethod',
  paymentIntents: 'payment_intent',
  charges: 'charge',
  refunds: 'refund',
  disputes: 'dispute',
  events: 'event',
  webhookEndpoints: 'webhook_endpoint',
  pendingLines: 'invoiceitem',
} as const;

/** Stripe's objects. References to other objects are stored as ids. */
export interface Objects {
  readonly customers: Table<Stripe.Customer | Stripe.DeletedCustomer>;
  readonly products: Table<Stripe.Product>;
  readonly prices: Table<Stripe.Price>;
  readonly sessions: Table<Stripe.Checkout.Session>;
  readonly portalSessions: Table<Stripe.BillingPortal.Session>;
  readonly subscriptions: Table<Stripe.Subscription>;
  readonly invoices: Table<Stripe.Invoice>;
  readonly invoicePayments: Table<Stripe.InvoicePayment>;
  readonly paymentMethods: Table<Stripe.PaymentMethod>;
  readonly paymentIntents: Table<Stripe.PaymentIntent>;
  readonly charges: Table<Stripe.Charge>;
  readonly refunds: Table<Stripe.Refund>;
  readonly disputes: Table<Stripe.Dispute>;
  readonly events: Table<Stripe.Event>;
  readonly webhookEndpoints: Table<Stripe.WebhookEndpoint>;
  readonly pendingLines: Table<PendingLine>;
}

export interface AccountSnapshot {
  readonly objects: Record<keyof Objects, never[]>;
  readonly hidden: Hidden;
  readonly draws: number;
  readonly timeline: TimelineSnapshot;
}

interface AccountOptions {
  readonly seed: string;
  readonly livemode: boolean;
  readonly settings: BillingSettings;
  readonly timeline: Timeline;
  readonly snapshot?: AccountSnapshot;
  /** The API request in progress, or null. */
  readonly currentRequest: () => Stripe.Event.Request | null;
  /** Called with each event after it is stored. */
  readonly onEvent: (event: Stripe.Event) => void;
}

/** One Stripe account: its objects, its time, and an event for each change. */
export class Account {
  readonly objects: Objects;
  readonly hidden: Hidden;
  readonly timeline: Timeline;
  readonly livemode: boolean;
  readonly random: SeededRandom;
  settings: BillingSettings;

  constructor(private readonly options: AccountOptions) {
    const { snapshot, seed } = options;
    this.timeline = options.timeline;
    this.livemode = options.livemode;
    this.settings = options.settings;
    this.random = new SeededRandom(seed, snapshot?.draws);
    this.hidden = snapshot?.hidden ?? nothingHidden();
    const tables = Object.entries(objectNames).map(([name, kind]) => {
      return [name, new Table(kind, snapshot?.objects[name as keyof Objects])] as const;
    });
    // The keys of `objectNames` are the keys of `Objects`.
    this.objects = Object.fromEntries(tables) as unknown as Objects;
  }

  snapshot(): AccountSnapshot {
    const rows = Object.entries(this.objects).map(([name, table]) => [name, (table as Table<never>).all()]);
    return {
      objects: Object.fromEntries(rows) as AccountSnapshot['objects'],
      hidden: this.hidden,
      draws: this.random.draws,
      timeline: this.timeline.snapshot(),
    };
  }

  /** Unix seconds. */
  now(): number {
    return Math.floor(this.timeline.now() / 1000);
  }

  id(prefix: string, length = 24): string {
    return `${prefix}_${this.random.text(length)}`;
  }

  schedule(kind: string, id: string, atSeconds: number): void {
    this.timeline.schedule({ kind, id, at: atSeconds * 1000 });
  }

  /** @throws {ApiError} resource_missing when the customer does not exist or was deleted. */
  customer(id: string, param?: string): Stripe.Customer {
    const customer = this.objects.customers.get(id, param);
    if (customer.deleted) throw missing('customer', id, param);
    return customer;
  }

  /** Changes an object. When a value differs, it emits an event with the previous values. */
  change<T extends { readonly id: string; readonly object: string }>(
    type: Stripe.Event.Type,
    object: T,
    changes: Partial<T>,
  ): void {
    const before = Object.fromEntries(
      Object.entries(changes)
        .map(([key, value]) => [key, object[key as keyof T], value] as const)
        .filter(([, old, value]) => JSON.stringify(old) !== JSON.stringify(value))
        .map(([key, old]) => [key, old]),
    );
    if (Object.keys(before).length === 0) return;
    const previous: unknown = JSON.parse(JSON.stringify(before));
    Object.assign(object, changes);
    this.emit(type, object, previous as object);
  }

  /** Stores an event with a copy of the object as it is now. */
  emit(type: Stripe.Event.Type, object: { readonly id: string }, previous?: object): void {
    const copy: unknown = JSON.parse(JSON.stringify(object));
    const event = {
      id: this.id('evt'),
      object: 'event',
      api_version: Stripe.API_VERSION,
      created: this.now(),
      data: { object: copy, ...(previous && { previous_attributes: previous }) },
      livemode: this.livemode,
      pending_webhooks: 0,
      request: this.options.currentRequest(),
      type,
    };
    // The caller must pass an object that belongs to the event type; the types do not check it.
    const stored = this.objects.events.add(event as unknown as Stripe.Event);
    this.options.onEvent(stored);
  }
}

export const idOf = (reference: string | { readonly id: string }): string =>
  typeof reference === 'string' ? reference : reference.id;

/** Like `idOf`, for a reference that can be null. */
export const idOrNull = (reference: string | { readonly id: string } | null | undefined): string | null =>
  reference === null || reference === undefined ? null : idOf(reference);
