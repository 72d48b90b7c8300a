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
    summary: 'Sign out on all devices, including this one',
    description:
      'Refuses all ID tokens from earlier sign-ins at once, revokes the refresh tokens at Firebase, and stops pushes to all ' +
      'devices until they register again.',
  })
  @ApiNoContentResponse({ description: 'All sign-ins of the account are revoked.' })
  @Problems(...signInProblems)
  async everywhere(@CurrentUser() user: User): Promise<void> {
    await this.signOut.everywhere(user);
  }
}
