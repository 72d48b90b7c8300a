import { Body, Controller, Header, HttpCode, Post, UseGuards } from '@nestjs/common';
import { RouteConstraints } from '@nestjs/platform-fastify';
import { ApiBearerAuth, ApiExcludeEndpoint, ApiOperation, ApiTags } from '@nestjs/swagger';
import { AlsoBinary, OnSide, Problems, Returns } from '../../platform/http/index.js';
import { GatekeeperAddressLimit } from '../../platform/rate-limit/index.js';
import { CurrentUser, type User, UserGuard, signInProblems } from '../index.js';
import { privateTokenRequest } from './private-token-request.js';
import {
  binaryTokenRequest,
  binaryTokenResponse,
  tokenResponseType,
  vpnTokenRequest,
  type VpnTokenRequest,
  vpnTokenResponse,
} from './vpn-token.schema.js';
import { VpnTokenService } from './vpn-token.service.js';

@ApiTags('auth')
@ApiBearerAuth('idToken')
@OnSide('gatekeeper')
@Controller('auth/vpn-token')
@UseGuards(GatekeeperAddressLimit, UserGuard)
export class VpnTokenController {
  constructor(private readonly tokens: VpnTokenService) {}

  @Post()
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Sign blinded tokens',
    description:
      'Send one `blindedToken`, or up to 32 `blindedTokens`; of a batch, all tokens are signed or none. Each distinct blinded ' +
      'token counts once against the daily quota of its key. Sending the same token again returns the same signature and ' +
      'costs nothing, so it is safe to retry. Privacy Pass clients can send `application/private-token-request` (RFC 9578 ' +
      '§6.1, 259 bytes) instead; they receive `application/private-token-response` (256 bytes).',
  })
  @Returns(200, vpnTokenResponse, 'The blind signatures. Nothing in the response depends on the user.')
  @AlsoBinary(binaryTokenRequest, binaryTokenResponse)
  @Problems(
    'invalid_request',
    'subscription_inactive',
    'key_retired',
    'invalid_token_request',
    'token_quota_exceeded',
    ...signInProblems,
  )
  async issue(@CurrentUser() user: User, @Body({ schema: vpnTokenRequest }) body: VpnTokenRequest) {
    return this.tokens.issue(user, body);
  }

  @Post()
  @RouteConstraints(privateTokenRequest)
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @Header('content-type', tokenResponseType)
  @ApiExcludeEndpoint()
  async issueBinary(@CurrentUser() user: User, @Body() body: Buffer): Promise<Buffer> {
    return this.tokens.issueBinary(user, body);
  }
}
