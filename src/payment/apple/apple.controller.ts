import { Body, Controller, Get, Header, Post, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentUser, type User, UserGuard, signInProblems } from '../../auth/index.js';
import { OnSide, Problems, Returns } from '../../platform/http/index.js';
import { GatekeeperAddressLimit } from '../../platform/rate-limit/index.js';
import { subscriptionReport } from '../../subscription/index.js';
import { AppleClaimsService } from './apple-claims.service.js';
import { appleAccount, applePurchase, type ApplePurchase } from '../payment.schema.js';

@ApiTags('payment')
@ApiBearerAuth('idToken')
@OnSide('gatekeeper')
@Controller('payment/apple')
@UseGuards(GatekeeperAddressLimit, UserGuard)
export class AppleController {
  constructor(private readonly claims: AppleClaimsService) {}

  @Get('account')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Get the token that ties App Store purchases to this account' })
  @Returns(200, appleAccount)
  @Problems('payment_provider_not_offered', ...signInProblems)
  async account(@CurrentUser() user: User) {
    return { appAccountToken: await this.claims.accountToken(user) };
  }

  @Post('transactions')
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Claim an App Store purchase',
    description:
      'For a new purchase or one to restore. The app posts the signed transaction from StoreKit, and the subscription then ' +
      'belongs to this account, unless it already belongs to another. Safe to repeat.',
  })
  @Returns(200, subscriptionReport)
  @Problems(
    'invalid_request',
    'purchase_not_valid',
    'purchase_of_another_account',
    'unknown_product',
    'payment_provider_not_offered',
    'payment_provider_unavailable',
    'payment_refused',
    ...signInProblems,
  )
  async claim(@CurrentUser() user: User, @Body({ schema: applePurchase }) { signedTransaction }: ApplePurchase) {
    return this.claims.claim(user, signedTransaction);
  }
}
