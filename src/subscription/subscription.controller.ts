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
  @ApiOperation({ summary: 'Whether there is access, until when and why' })
  @Returns(200, subscriptionReport)
  @Problems(...signInProblems)
  async report(@CurrentUser() person: User) {
    return this.subscriptions.report(person);
  }

  @Post('trial')
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Start the trial',
    description:
      'Once per person: neither the account nor the verified e-mail address may have had one, even if deleted since. ' +
      'A repeat of a request whose answer was lost is told `trial_already_used`; `GET /subscription` then shows the trial.',
  })
  @Returns(201, subscriptionReport, 'The subscription, with its trial')
  @Problems('email_not_verified', 'trial_not_offered', 'trial_already_used', ...signInProblems)
  async startTrial(@CurrentUser() person: User) {
    return this.subscriptions.startTrial(person);
  }
}
