import { Controller, Get, Header, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { OnSide, Problems, Returns } from '../../platform/http/index.js';
import { GatekeeperAddressLimit } from '../../platform/rate-limit/index.js';
import { anonymitySetReport } from './anonymity-set.schema.js';
import { AnonymitySetService } from './anonymity-set.service.js';

@ApiTags('auth')
@OnSide('gatekeeper')
@Controller('auth/crowd')
@UseGuards(GatekeeperAddressLimit)
export class AnonymitySetController {
  constructor(private readonly anonymitySet: AnonymitySetService) {}

  @Get()
  @Header('cache-control', 'public, max-age=300')
  @ApiOperation({
    summary: 'Show how many tokens the current key has signed',
    description:
      'This is the anonymity set of a token: it cannot be distinguished from the other tokens of its key. A client may wait ' +
      'until the set is large enough. Counted on every full hour, and rounded.',
  })
  @Returns(200, anonymitySetReport)
  @Problems('rate_limited', 'unavailable')
  report() {
    return this.anonymitySet.report();
  }
}
