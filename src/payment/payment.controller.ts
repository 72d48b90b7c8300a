import { Body, Controller, Get, Header, Param, Post, Put, Query, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentUser, type User, UserGuard, signInProblems } from '../auth/index.js';
import { OnSide, Problems, Returns } from '../platform/http/index.js';
import { GatekeeperAddressLimit } from '../platform/rate-limit/index.js';
import { subscriptionReport } from '../subscription/index.js';
import { SubscriptionChangesService } from './subscription-changes.service.js';
import { CheckoutService } from './checkout/checkout.service.js';
import { PaymentHistoryService } from './history/payment-history.service.js';
import {
  checkoutRequest,
  type CheckoutRequest,
  checkoutStarted,
  historyQuery,
  type HistoryQuery,
  link,
  paymentHistory,
  paymentName,
  type PaymentName,
  planChange,
  type PlanChange,
  portalRequest,
  type PortalRequest,
  subscriptionName,
  type SubscriptionName,
} from './payment.schema.js';

const provider = ['payment_provider_not_offered', 'payment_provider_unavailable', 'payment_refused'] as const;
const change = ['subscription_not_found', 'subscription_ended', 'managed_elsewhere', 'payment_declined'] as const;

@ApiTags('payment')
@ApiBearerAuth('idToken')
@OnSide('gatekeeper')
@Controller('payment')
@UseGuards(GatekeeperAddressLimit, UserGuard)
export class PaymentController {
  constructor(
    private readonly checkouts: CheckoutService,
    private readonly changes: SubscriptionChangesService,
    private readonly payments: PaymentHistoryService,
  ) {}

  @Post('checkout')
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Begin to pay for a plan',
    description:
      'Answers with a page of Stripe. Whoever has a subscription already, through Stripe, Apple or an operator, is refused, ' +
      'and a checkout left open earlier is closed. Access follows the payment, not the way back to `successUrl`.',
  })
  @Returns(201, checkoutStarted)
  @Problems(
    'invalid_request',
    'return_url_not_allowed',
    'price_not_offered',
    'access_blocked',
    'already_subscribed',
    'checkout_in_progress',
    ...provider,
    ...signInProblems,
  )
  async checkout(@CurrentUser() person: User, @Body({ schema: checkoutRequest }) body: CheckoutRequest) {
    return this.checkouts.begin(person, body);
  }

  @Post('portal')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Manage cards and invoices, on a page of Stripe' })
  @Returns(201, link)
  @Problems('invalid_request', 'return_url_not_allowed', 'nothing_paid_yet', ...provider, ...signInProblems)
  async portal(@CurrentUser() person: User, @Body({ schema: portalRequest }) body: PortalRequest) {
    return this.checkouts.portal(person, body.returnUrl);
  }

  @Get('history')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'What was paid and given back, newest first' })
  @Returns(200, paymentHistory)
  @Problems('invalid_request', ...signInProblems)
  async history(@CurrentUser() person: User, @Query({ schema: historyQuery }) query: HistoryQuery) {
    return this.payments.page(person, query);
  }

  @Get('history/:id/receipt')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'A link to the receipt of a payment' })
  @Returns(200, link)
  @Problems('invalid_request', 'payment_not_found', 'receipt_not_available', ...provider, ...signInProblems)
  async receipt(@CurrentUser() person: User, @Param({ schema: paymentName }) { id }: PaymentName) {
    return this.payments.receipt(person, id);
  }

  @Post('subscriptions/:id/cancel')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Cancel: access lasts to the end of what is paid' })
  @Returns(200, subscriptionReport)
  @Problems('invalid_request', ...change, ...provider, ...signInProblems)
  async cancel(@CurrentUser() person: User, @Param({ schema: subscriptionName }) { id }: SubscriptionName) {
    return this.changes.cancel(person, id);
  }

  @Post('subscriptions/:id/resume')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Take a cancellation back, before it takes effect' })
  @Returns(200, subscriptionReport)
  @Problems('invalid_request', 'access_blocked', ...change, ...provider, ...signInProblems)
  async resume(@CurrentUser() person: User, @Param({ schema: subscriptionName }) { id }: SubscriptionName) {
    return this.changes.resume(person, id);
  }

  @Put('subscriptions/:id/plan')
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Move to another plan, at once',
    description:
      'What is dearer is paid now, less what is left of the old plan; what is cheaper leaves a credit for the next invoice.',
  })
  @Returns(200, subscriptionReport)
  @Problems(
    'invalid_request',
    'access_blocked',
    'price_not_offered',
    'payment_overdue',
    ...change,
    ...provider,
    ...signInProblems,
  )
  async changePlan(
    @CurrentUser() person: User,
    @Param({ schema: subscriptionName }) { id }: SubscriptionName,
    @Body({ schema: planChange }) body: PlanChange,
  ) {
    return this.changes.changePlan(person, id, body);
  }
}
