import { Body, Controller, Headers, Post } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBody, ApiHeader, ApiOperation, ApiTags } from '@nestjs/swagger';
import { OnSide, Problems, Returns, type RouteSettings } from '../../platform/http/index.js';
import { appleNotificationBody, type AppleNotificationBody, webhookReceipt } from '../payment.schema.js';
import { WebhooksService } from './webhooks.service.js';

/** Stripe documents no limit for the size of its events, and 150 kB is not rare. */
const bodyLimit = 2 * 1024 * 1024;

/** Receives the providers' webhooks. Has no rate limit per address: providers call in bursts from few addresses, and sign. */
@ApiTags('payment')
@OnSide('gatekeeper')
@Controller('payment/webhooks')
export class WebhooksController {
  constructor(private readonly webhooks: WebhooksService) {}

  @Post('stripe')
  @RouteConfig({ bodyLimit, rawBody: true } satisfies RouteSettings)
  @ApiOperation({
    summary: 'Receive a Stripe event',
    description:
      'Called by Stripe only. The service verifies the signature over the raw body, and answers once the event is stored.',
  })
  @ApiHeader({ name: 'stripe-signature', required: true, description: 'Timestamp and HMAC, as Stripe sends them.' })
  @ApiBody({ schema: { type: 'object', description: 'A Stripe Event object, up to 2 MiB.' } })
  @Returns(200, webhookReceipt, 'Stored')
  @Problems('webhook_signature_invalid', 'webhook_wrong_environment', 'payment_provider_not_offered', 'unavailable')
  async stripe(@Body() body: Buffer | undefined, @Headers('stripe-signature') signature?: string) {
    return this.webhooks.stripe(body, signature);
  }

  @Post('apple')
  @RouteConfig({ bodyLimit } satisfies RouteSettings)
  @ApiOperation({
    summary: 'Receive an App Store Server Notification (version 2)',
    description:
      'Called by Apple only. The service verifies the signatures of the notification and of the data inside it, and answers ' +
      'once the notification is stored.',
  })
  @Returns(200, webhookReceipt, 'Stored')
  @Problems(
    'invalid_request',
    'webhook_signature_invalid',
    'webhook_wrong_environment',
    'payment_provider_not_offered',
    'payment_provider_unavailable',
    'unavailable',
  )
  async apple(@Body({ schema: appleNotificationBody }) { signedPayload }: AppleNotificationBody) {
    return this.webhooks.apple(signedPayload);
  }
}
