import { Controller, Get, Header, Post, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentUser, type User, UserGuard, signInProblems } from '../auth/index.js';
import { OnSide, Problems, Returns } from '../platform/http/index.js';
import { GatekeeperAddressLimit } from '../platform/rate-limit/index.js';
import { subscriptionReport } from './subscription.schema.js';
import { SubscriptionService } from './subscription.service.js';

@ApiTags('subscription')
@ApiBearerAuth('idToken')
@OnSide('gatekeeper')
@Controller('subscription')
@UseGuards(GatekeeperAddressLimit, UserGuard)
export class SubscriptionController {
  constructor(private readonly subscriptions: SubscriptionService) {}

  @Get()
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Get the access of the signed-in user: whether, until when and why' })
  @Returns(200, subscriptionReport)
  @Problems(...signInProblems)
  async report(@CurrentUser() user: User) {
    return this.subscriptions.report(user);
  }

  @Post('trial')
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Start the trial',
    description:
      'Once per user: neither the account nor its verified e-mail address may have had a trial, even if the account was deleted ' +
      'since. If the response was lost, a repeat fails with `trial_already_used`; `GET /subscription` then shows the trial.',
  })
  @Returns(201, subscriptionReport, 'The subscription, with its trial')
  @Problems('email_not_verified', 'trial_not_offered', 'trial_already_used', ...signInProblems)
  async startTrial(@CurrentUser() user: User) {
    return this.subscriptions.startTrial(user);
  }
}
