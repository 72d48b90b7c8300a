import { Body, Controller, Header, Headers, Post, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { bearerToken, OnSide, Problems, Returns } from '../platform/http/index.js';
import { AnonymizerAddressLimit } from '../platform/rate-limit/index.js';
import { type AuthenticatedNode, CurrentNode } from './current-node.js';
import { NodeGuard } from './node.guard.js';
import {
  type NodePulse,
  nodePulse,
  nodePulsed,
  type NodePulsed,
  nodeRegistered,
  type NodeRegistered,
  nodeRegistration,
  type NodeRegistration,
} from './node.schema.js';
import { PulseService } from './pulse.service.js';
import { RegistrationService } from './registration.service.js';

@ApiTags('node')
@OnSide('anonymizer')
@Controller('node')
export class NodeController {
  constructor(
    private readonly registration: RegistrationService,
    private readonly pulses: PulseService,
  ) {}

  @Post('register')
  @UseGuards(AnonymizerAddressLimit)
  @Header('cache-control', 'no-store')
  @ApiBearerAuth('enrolmentToken')
  @ApiBearerAuth('nodeCredential')
  @ApiOperation({
    summary: 'Register a new node, or update this node',
    description:
      'With an enrolment token: registers a new node, which is healthy at once. If the response is lost, repeat the request ' +
      'with the same token within 10 minutes; you get a new credential. With the node’s own credential: replaces its ' +
      'addresses, port, capacity and version (omitted fields get their default) and rotates the credential. The old ' +
      'credential works until the new one is first used. A node cannot change its key or location, and it cannot end ' +
      'draining or retirement.',
  })
  @Returns(201, nodeRegistered)
  @Problems(
    'invalid_request',
    'enrolment_token_invalid',
    'location_mismatch',
    'node_retired',
    'node_exists',
    'rate_limited',
    'unavailable',
  )
  async register(
    @Headers('authorization') authorization: string | undefined,
    @Body({ schema: nodeRegistration }) body: NodeRegistration,
  ): Promise<NodeRegistered> {
    return this.registration.register(body, bearerToken(authorization));
  }

  @Post(':id/pulse')
  @UseGuards(NodeGuard)
  @ApiBearerAuth('nodeCredential')
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOperation({
    summary: 'Report that this node is alive, and its load',
    description:
      'Send a pulse every `next_pulse_s` seconds. After 30 s without one, the node gets no new connections; after 10 minutes, ' +
      'its connections end.',
  })
  @Returns(200, nodePulsed)
  @Problems('invalid_request', 'invalid_node_credential', 'rate_limited', 'unavailable')
  async pulse(
    @CurrentNode() node: AuthenticatedNode,
    @Body({ schema: nodePulse }) body: NodePulse,
  ): Promise<NodePulsed> {
    return this.pulses.pulse(node.id, body);
  }
}
