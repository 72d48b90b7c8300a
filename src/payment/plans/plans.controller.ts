import { Controller, Get, Header, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { OnSide, Problems, Returns } from '../../platform/http/index.js';
import { GatekeeperAddressLimit } from '../../platform/rate-limit/index.js';
import { planOffers } from '../payment.schema.js';
import { PlanPricesService } from './plan-prices.service.js';

@ApiTags('payment')
@OnSide('gatekeeper')
@Controller('plans')
@UseGuards(GatekeeperAddressLimit)
export class PlansController {
  constructor(private readonly prices: PlanPricesService) {}

  @Get()
  @Header('cache-control', 'public, max-age=60')
  @ApiOperation({ summary: 'List the plans on sale and their prices' })
  @Returns(200, planOffers)
  @Problems('rate_limited', 'unavailable')
  async offers() {
    return this.prices.offers();
  }
}
