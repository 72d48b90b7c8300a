import { Controller, Get, Header, HttpCode, Param, Post, UseGuards } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { OnSide, Problems, type RouteSettings } from '../platform/http/index.js';
import { GatekeeperAddressLimit } from '../platform/rate-limit/index.js';
import { pagePolicy } from './unsubscribe-pages.js';
import { unsubscribeToken, type UnsubscribeToken } from './unsubscribe.schema.js';
import { UnsubscribeService } from './unsubscribe.service.js';

const html = 'text/html; charset=utf-8';
const htmlPage = { description: 'An HTML page.', content: { 'text/html': { schema: { type: 'string' as const } } } };

@ApiTags('notifications')
@OnSide('gatekeeper')
@Controller('notifications/unsubscribe')
@UseGuards(GatekeeperAddressLimit)
export class UnsubscribeController {
  constructor(private readonly unsubscriptions: UnsubscribeService) {}

  @Get(':token')
  @Header('content-type', html)
  @Header('content-security-policy', pagePolicy)
  @Header('cache-control', 'no-store')
  @Header('referrer-policy', 'no-referrer')
  @ApiOperation({
    summary: 'Show the unsubscribe page',
    description: 'Asks the user to confirm. Opening the page changes nothing.',
  })
  @ApiOkResponse(htmlPage)
  @Problems('invalid_request', 'rate_limited', 'unavailable')
  page(@Param({ schema: unsubscribeToken }) { token }: UnsubscribeToken): string {
    return this.unsubscriptions.page(token);
  }

  @Post(':token')
  @HttpCode(200)
  @RouteConfig({ form: true } satisfies RouteSettings)
  @Header('content-type', html)
  @Header('content-security-policy', pagePolicy)
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Unsubscribe from one kind of mail',
    description: 'Sent by the unsubscribe button of a mail program (RFC 8058) and by the page. The body is ignored.',
  })
  @ApiOkResponse(htmlPage)
  @Problems('invalid_request', 'rate_limited', 'unavailable')
  async unsubscribe(@Param({ schema: unsubscribeToken }) { token }: UnsubscribeToken): Promise<string> {
    return this.unsubscriptions.unsubscribe(token);
  }
}
