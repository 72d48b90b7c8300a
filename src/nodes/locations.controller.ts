import { Controller, Get, Headers, HttpCode, Res, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { matchesEntityTag, OnSide, Problems } from '../platform/http/index.js';
import { AnonymizerAddressLimit } from '../platform/rate-limit/index.js';
import { locationList } from './location.schema.js';
import { LocationsService, type PublishedLocations } from './locations.service.js';

@ApiTags('vpn')
@OnSide('anonymizer')
@Controller('vpn/locations')
@UseGuards(AnonymizerAddressLimit)
export class LocationsController {
  constructor(private readonly locations: LocationsService) {}

  @Get()
  @HttpCode(200)
  @ApiOperation({ summary: 'List the locations; the response is the same for every client' })
  @ApiResponse({ status: 200, description: 'Success', standardSchema: locationList })
  @ApiResponse({ status: 304, description: 'Not modified since the ETag in If-None-Match.' })
  @Problems('rate_limited', 'unavailable')
  list(@Headers('if-none-match') known: string | undefined, @Res() reply: FastifyReply): void {
    void answer(reply, this.locations.published(), known);
  }
}

function answer(reply: FastifyReply, { body, etag }: PublishedLocations, known: string | undefined): FastifyReply {
  void reply.headers({ etag, 'cache-control': 'public, max-age=30' });
  return matchesEntityTag(known, etag)
    ? reply.status(304).send()
    : reply.status(200).type('application/json').send(body);
}
