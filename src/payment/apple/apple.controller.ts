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
  @ApiOperation({ summary: 'What ties a purchase in the App Store to this account' })
  @Returns(200, appleAccount)
  @Problems('payment_provider_not_offered', ...signInProblems)
  async account(@CurrentUser() person: User) {
    return { appAccountToken: await this.claims.accountToken(person) };
  }

  @Post('transactions')
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Show a purchase of the App Store: a new one, or one to restore',
    description:
      'The app posts the signed transaction that StoreKit gave it. The subscription then belongs to this account, unless it ' +
      'is another’s already. Safe to repeat.',
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
  async claim(@CurrentUser() person: User, @Body({ schema: applePurchase }) { signedTransaction }: ApplePurchase) {
    return this.claims.claim(person, signedTransaction);
  }
}
