import { Body, Controller, Header, Headers, Post, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiSecurity, ApiTags } from '@nestjs/swagger';
import { OnSide, Problems, Returns } from '../platform/http/index.js';
import { AnonymizerAddressLimit } from '../platform/rate-limit/index.js';
import {
  redemptionResponse,
  type RedemptionResponse,
  redemptionBody,
  type RedemptionBody,
} from './vpn-config.schema.js';
import { VpnConfigService } from './vpn-config.service.js';

@ApiTags('vpn')
@UseGuards(AnonymizerAddressLimit)
@OnSide('anonymizer')
@Controller('vpn/config')
export class VpnConfigController {
  constructor(private readonly configs: VpnConfigService) {}

  @Post()
  @Header('cache-control', 'no-store')
  // The empty requirement: no Authorization when the token is in the body.
  @ApiSecurity('privateToken')
  @ApiSecurity({})
  @ApiOperation({
    summary: 'Redeem a token for a WireGuard configuration',
    description:
      'Anonymous: send no other credential than the token. You can safely retry with the same `token`, `public_key` and ' +
      '`location`: you get the same connection. Without a `public_key` the server cannot tell your retry from a theft of ' +
      'the token: an error response leaves the token unspent, but a crash or a lost response may cost it. You can also ' +
      'send the token as `Authorization: PrivateToken token=…` (RFC 9577) and the other fields in the body.',
  })
  @Returns(200, redemptionResponse)
  @Problems(
    'invalid_request',
    'token_missing',
    'token_expired',
    'unknown_key',
    'invalid_signature',
    'unknown_location',
    'token_reused',
    'location_changed',
    'public_key_in_use',
    'rate_limited',
    'no_capacity',
    'unavailable',
  )
  async redeem(
    @Body({ schema: redemptionBody }) body: RedemptionBody,
    @Headers('authorization') authorization: string | undefined,
  ): Promise<RedemptionResponse> {
    return this.configs.configure(body, authorization);
  }
}
