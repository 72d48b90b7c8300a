import { Body, Controller, Header, Headers, Post, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiSecurity, ApiTags } from '@nestjs/swagger';
import { OnSide, Problems, Returns } from '../platform/http/index.js';
import { AnonymizerAddressLimit } from '../platform/rate-limit/index.js';
import { redeemed, type Redeemed, redemptionBody, type RedemptionBody } from './vpn-config.schema.js';
import { VpnConfigService } from './vpn-config.service.js';

@ApiTags('vpn')
@UseGuards(AnonymizerAddressLimit)
@OnSide('anonymizer')
@Controller('vpn/config')
export class VpnConfigController {
  constructor(private readonly configs: VpnConfigService) {}

  @Post()
  @Header('cache-control', 'no-store')
  // Or none: then the token is in the body.
  @ApiSecurity('privateToken')
  @ApiSecurity({})
  @ApiOperation({
    summary: 'Spend a token, get a WireGuard configuration',
    description:
      'Anonymous: send no credential but the token. Safe to repeat with the same `token`, `public_key` and `location`: the ' +
      'answer is the same connection. Without a `public_key` a retry cannot be told from a thief: an orderly failure leaves ' +
      'the token unspent, a crash or a time-out between spend and answer may cost it. The Token may also come as ' +
      '`Authorization: PrivateToken token=…` (RFC 9577), with the rest as body.',
  })
  @Returns(200, redeemed)
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
  ): Promise<Redeemed> {
    return this.configs.configure(body, authorization);
  }
}
