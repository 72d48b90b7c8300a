import { Controller, Get, Header, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { OnSide, Problems, Returns } from '../../platform/http/index.js';
import { GatekeeperAddressLimit } from '../../platform/rate-limit/index.js';
import { crowdReport } from './crowd.schema.js';
import { CrowdService } from './crowd.service.js';

@ApiTags('auth')
@OnSide('gatekeeper')
@Controller('auth/crowd')
@UseGuards(GatekeeperAddressLimit)
export class CrowdController {
  constructor(private readonly crowd: CrowdService) {}

  @Get()
  @Header('cache-control', 'public, max-age=300')
  @ApiOperation({
    summary: 'How many tokens the current key has signed',
    description:
      'A token hides among those of its key: a client may wait for company. Counted every hour, and rounded.',
  })
  @Returns(200, crowdReport)
  @Problems('rate_limited', 'unavailable')
  report() {
    return this.crowd.report();
  }
}
