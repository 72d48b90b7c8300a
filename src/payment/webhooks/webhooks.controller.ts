import { Body, Controller, Headers, Post } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBody, ApiHeader, ApiOperation, ApiTags } from '@nestjs/swagger';
import { OnSide, Problems, Returns, type RouteSettings } from '../../platform/http/index.js';
import { appleNotice, type AppleNotice, webhookReceipt } from '../payment.schema.js';
import { WebhooksService } from './webhooks.service.js';

/** Stripe states no limit for its events, and 150 kB is not rare. */
const bodyLimit = 2 * 1024 * 1024;

/** Where the providers tell. Without a limit per address: they call from few, in bursts, and prove who they are. */
@ApiTags('payment')
@OnSide('gatekeeper')
@Controller('payment/webhooks')
export class WebhooksController {
  constructor(private readonly webhooks: WebhooksService) {}

  @Post('stripe')
  @RouteConfig({ bodyLimit, rawBody: true } satisfies RouteSettings)
  @ApiOperation({
    summary: 'Take an event of Stripe',
    description:
      'For Stripe alone: its signature is checked over the body as sent. Answered once the event is safely kept.',
  })
  @ApiHeader({ name: 'stripe-signature', required: true, description: 'Time and HMAC, as Stripe writes them.' })
  @ApiBody({ schema: { type: 'object', description: 'An Event of Stripe, up to 2 MiB.' } })
  @Returns(200, webhookReceipt, 'Kept')
  @Problems('webhook_signature_invalid', 'webhook_wrong_environment', 'payment_provider_not_offered', 'unavailable')
  async stripe(@Body() body: Buffer | undefined, @Headers('stripe-signature') signature?: string) {
    return this.webhooks.stripe(body, signature);
  }

  @Post('apple')
  @RouteConfig({ bodyLimit } satisfies RouteSettings)
  @ApiOperation({
    summary: 'Take an App Store Server Notification (version 2)',
    description:
      'For Apple alone: what it signed is verified, outside and inside. Answered once the notification is safely kept.',
  })
  @Returns(200, webhookReceipt, 'Kept')
  @Problems(
    'invalid_request',
    'webhook_signature_invalid',
    'webhook_wrong_environment',
    'payment_provider_not_offered',
    'payment_provider_unavailable',
    'unavailable',
  )
  async apple(@Body({ schema: appleNotice }) notice: AppleNotice) {
    return this.webhooks.apple(notice.signedPayload);
  }
}
