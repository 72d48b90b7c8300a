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
  paymentParams,
  type PaymentParams,
  planChange,
  type PlanChange,
  portalRequest,
  type PortalRequest,
  subscriptionParams,
  type SubscriptionParams,
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
    summary: 'Start a checkout for a plan',
    description:
      'Returns the URL of a Stripe page where the user pays. Refused if the user already has access through Stripe, Apple or ' +
      'the operator. Closes a checkout that the user left open. Access starts when Stripe confirms the payment, not when the ' +
      'user returns to `successUrl`.',
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
  async checkout(@CurrentUser() user: User, @Body({ schema: checkoutRequest }) body: CheckoutRequest) {
    return this.checkouts.begin(user, body);
  }

  @Post('portal')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Get a link to the Stripe page for cards and invoices' })
  @Returns(201, link)
  @Problems('invalid_request', 'return_url_not_allowed', 'nothing_paid_yet', ...provider, ...signInProblems)
  async portal(@CurrentUser() user: User, @Body({ schema: portalRequest }) body: PortalRequest) {
    return this.checkouts.portal(user, body.returnUrl);
  }

  @Get('history')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'List payments and refunds, newest first' })
  @Returns(200, paymentHistory)
  @Problems('invalid_request', ...signInProblems)
  async history(@CurrentUser() user: User, @Query({ schema: historyQuery }) query: HistoryQuery) {
    return this.payments.page(user, query);
  }

  @Get('history/:id/receipt')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Get a link to the receipt of a payment' })
  @Returns(200, link)
  @Problems('invalid_request', 'payment_not_found', 'receipt_not_available', ...provider, ...signInProblems)
  async receipt(@CurrentUser() user: User, @Param({ schema: paymentParams }) { id }: PaymentParams) {
    return this.payments.receipt(user, id);
  }

  @Post('subscriptions/:id/cancel')
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Cancel a subscription',
    description: 'Access lasts to the end of the paid period. A subscription without access ends at once.',
  })
  @Returns(200, subscriptionReport)
  @Problems('invalid_request', ...change, ...provider, ...signInProblems)
  async cancel(@CurrentUser() user: User, @Param({ schema: subscriptionParams }) { id }: SubscriptionParams) {
    return this.changes.cancel(user, id);
  }

  @Post('subscriptions/:id/resume')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Resume a cancelled subscription before it ends' })
  @Returns(200, subscriptionReport)
  @Problems('invalid_request', 'access_blocked', ...change, ...provider, ...signInProblems)
  async resume(@CurrentUser() user: User, @Param({ schema: subscriptionParams }) { id }: SubscriptionParams) {
    return this.changes.resume(user, id);
  }

  @Put('subscriptions/:id/plan')
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Change the plan of a subscription',
    description:
      'Takes effect at once. A more expensive plan is charged now, less the unused part of the old plan; so is a change of the ' +
      'interval. A cheaper plan leaves a credit for the next invoice.',
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
    @CurrentUser() user: User,
    @Param({ schema: subscriptionParams }) { id }: SubscriptionParams,
    @Body({ schema: planChange }) body: PlanChange,
  ) {
    return this.changes.changePlan(user, id, body);
  }
}
