import { Controller, HttpCode, Post, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiNoContentResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { OnSide, Problems } from '../platform/http/index.js';
import { GatekeeperAddressLimit } from '../platform/rate-limit/index.js';
import { signInProblems } from './id-token-problems.js';
import { UserGuard } from './user.guard.js';
import { CurrentUser, type User } from './current-user.js';
import { SignOutService } from './sign-out.service.js';

@ApiTags('auth')
@ApiBearerAuth('idToken')
@OnSide('gatekeeper')
@Controller('auth/signout-everywhere')
@UseGuards(GatekeeperAddressLimit, UserGuard)
export class SignOutController {
  constructor(private readonly signOut: SignOutService) {}

  @Post()
  @HttpCode(204)
  @ApiOperation({
    summary: 'End every sign-in, this one too',
    description:
      'ID tokens of sign-ins until now are refused here at once, refresh tokens are revoked at Firebase, and devices get no ' +
      'more pushes until they register again.',
  })
  @ApiNoContentResponse({ description: 'Nobody is signed in to the account any more.' })
  @Problems(...signInProblems)
  async everywhere(@CurrentUser() person: User): Promise<void> {
    await this.signOut.everywhere(person);
  }
}
