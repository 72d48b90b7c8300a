import { Controller, Delete, Get, Header, Headers, HttpCode, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiNoContentResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { bearerToken, OnSide, Problems, Returns } from '../platform/http/index.js';
import { AnonymizerAddressLimit } from '../platform/rate-limit/index.js';
import { connectionStatus, type ConnectionStatusView } from './connection.schema.js';
import { ConnectionService } from './connection.service.js';

@ApiTags('vpn')
@ApiBearerAuth('connectionSecret')
@UseGuards(AnonymizerAddressLimit)
@OnSide('anonymizer')
@Controller('vpn/connection')
export class ConnectionController {
  constructor(private readonly connections: ConnectionService) {}

  @Get()
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Get the status of a connection' })
  @Returns(200, connectionStatus)
  @Problems('connection_secret_missing', 'connection_not_found', 'rate_limited', 'unavailable')
  async status(@Headers('authorization') authorization: string | undefined): Promise<ConnectionStatusView> {
    return this.connections.status(bearerToken(authorization));
  }

  @Delete()
  @HttpCode(204)
  @ApiOperation({ summary: 'End a connection: its node removes the peer immediately' })
  @ApiNoContentResponse({ description: 'The connection is ending.' })
  @Problems('connection_secret_missing', 'connection_not_found', 'rate_limited', 'unavailable')
  async disconnect(@Headers('authorization') authorization: string | undefined): Promise<void> {
    await this.connections.disconnect(bearerToken(authorization));
  }
}
