import { Body, Controller, Get, Post, Res, UseGuards } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBearerAuth, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { OnSide, Problems, Returns, type RouteSettings } from '../../platform/http/index.js';
import { type AuthenticatedNode, CurrentNode, NodeGuard } from '../../nodes/index.js';
import { PeerFeedService } from './peer-feed.service.js';
import { PeerListsService } from './peer-lists.service.js';
import { acknowledged, acknowledgements, type Acknowledgements, peerList } from './peers.schema.js';
import { PeersService } from './peers.service.js';

@ApiTags('node')
@ApiBearerAuth('nodeCredential')
@ApiParam({ name: 'id', format: 'uuid' })
@UseGuards(NodeGuard)
@OnSide('anonymizer')
@Controller('node/:id')
export class PeersController {
  constructor(
    private readonly feed: PeerFeedService,
    private readonly lists: PeerListsService,
    private readonly peers: PeersService,
  ) {}

  @Get('events')
  @RouteConfig({ stream: true } satisfies RouteSettings)
  @ApiOperation({
    summary: 'Stream the peer changes of this node (server-sent events)',
    description:
      'The first event is a `snapshot` of all peers. Then come `peer-added` and `peer-removed`, each repeated until the node ' +
      'acknowledges it, `drain` when the operator drains the node, and a `heartbeat` every 15 s.',
  })
  @ApiResponse({
    status: 200,
    description: 'The event stream.',
    content: { 'text/event-stream': { schema: { type: 'string' } } },
  })
  @Problems('invalid_node_credential', 'rate_limited', 'unavailable')
  async events(@CurrentNode() node: AuthenticatedNode, @Res() reply: FastifyReply): Promise<void> {
    await this.feed.follow(node, reply.hijack().raw);
  }

  @Get('peers')
  @RouteConfig({ stream: true } satisfies RouteSettings)
  @ApiOperation({ summary: 'List all peers that this node must have' })
  @Returns(200, peerList)
  @Problems('invalid_node_credential', 'rate_limited', 'unavailable')
  async list(@CurrentNode() node: AuthenticatedNode, @Res() reply: FastifyReply): Promise<void> {
    const list = await this.lists.stream(node.id);
    void reply.type('application/json').header('cache-control', 'no-store').send(list);
  }

  @Post('acks')
  @RouteConfig({ bodyLimit: 1024 * 1024 } satisfies RouteSettings)
  @ApiOperation({ summary: 'Acknowledge the changes that this node has applied' })
  @Returns(200, acknowledged)
  @Problems('invalid_request', 'invalid_node_credential', 'rate_limited', 'unavailable')
  async acknowledge(
    @CurrentNode() node: AuthenticatedNode,
    @Body({ schema: acknowledgements }) body: Acknowledgements,
  ) {
    return this.peers.acknowledge(node.id, body);
  }
}
