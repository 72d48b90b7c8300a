import { Inject, Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import { Clock, GATEKEEPER_CONFIG, type GatekeeperConfig } from '../../platform/config/index.js';
import { AppError } from '../../platform/errors/index.js';
import { AppleDataError } from '../apple/apple.client.js';
import { OptionalApple } from '../apple/optional-apple.js';
import { type WebhookReceipt } from '../payment.schema.js';
import { paymentProblem } from '../providers/provider-errors.js';
import { OptionalStripe } from '../stripe/optional-stripe.js';
import { objectRefOf, readStripeEvent } from '../stripe/stripe-event.js';
import { InboxStore } from './inbox.store.js';

const webhooks = new Counter({
  name: 'payment_webhooks_total',
  help: 'Webhooks received, by provider and result: kept, ignored (not about payments), failed, or the code of the refusal.',
  labelNames: ['provider', 'result'],
});

/** How far in the future a notification may be dated: two machines' clocks differ. */
const skewMs = 60_000;

/** Verifies, stores and acknowledges the providers' webhooks. `ProviderFetchesService` later fetches what has changed. */
@Injectable()
export class WebhooksService {
  constructor(
    private readonly inbox: InboxStore,
    private readonly optionalStripe: OptionalStripe,
    private readonly optionalApple: OptionalApple,
    private readonly clock: Clock,
    @Inject(GATEKEEPER_CONFIG) private readonly config: GatekeeperConfig,
  ) {}

  /** @throws {AppError} `webhook_signature_invalid`, `webhook_wrong_environment`, `payment_provider_not_offered` */
  async stripe(body: Buffer | undefined, signature: string | undefined): Promise<WebhookReceipt> {
    return this.countResult('stripe', async () => {
      this.optionalStripe.get();
      const { webhookSecrets = [], livemode } = this.config.stripe ?? {};
      const event = readStripeEvent(body, signature, webhookSecrets, this.clock.now());
      if (event.livemode !== livemode) throw wrongEnvironment();
      const objectRef = objectRefOf(event);
      if (objectRef === undefined) return false;
      const { id: eventId, type } = event;
      const occurredAt = new Date(event.created * 1000);
      await this.inbox.receive({ provider: 'stripe', eventId, type, objectRef, occurredAt }, this.clock.now());
      return true;
    });
  }

  /** @throws {AppError} as `stripe`, and `payment_provider_unavailable` while Apple's OCSP responder does not answer */
  async apple(signedPayload: string): Promise<WebhookReceipt> {
    return this.countResult('apple', async () => {
      const client = this.optionalApple.get();
      const notification = await client.verifyNotification(signedPayload).catch((error: unknown) => {
        throw error instanceof AppleDataError ? toProblem(error) : paymentProblem(error);
      });
      const { id: eventId, type, signedAt: occurredAt, originalTransactionId: objectRef } = notification;
      if (occurredAt.getTime() > this.clock.now().getTime() + skewMs) {
        throw new AppError('webhook_signature_invalid', 'The notification is dated more than a minute in the future.');
      }
      if (objectRef === undefined) return false;
      await this.inbox.receive({ provider: 'apple', eventId, type, objectRef, occurredAt }, this.clock.now());
      return true;
    });
  }

  private async countResult(provider: 'stripe' | 'apple', receive: () => Promise<boolean>): Promise<WebhookReceipt> {
    try {
      const kept = await receive();
      webhooks.inc({ provider, result: kept ? 'kept' : 'ignored' });
      return { received: true };
    } catch (error) {
      webhooks.inc({ provider, result: error instanceof AppError ? error.code : 'failed' });
      throw error;
    }
  }
}

function toProblem(error: AppleDataError): AppError {
  return error.reason === 'environment' ? wrongEnvironment() : new AppError('webhook_signature_invalid', error.message);
}

const wrongEnvironment = () =>
  new AppError(
    'webhook_wrong_environment',
    'The webhook comes from another environment of the provider. Send test events to a test deployment, live events to a live one.',
  );
