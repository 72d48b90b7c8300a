import { Controller, Get, Headers, HttpCode, Optional, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { AppError } from '../platform/errors/index.js';
import { matchesEntityTag, OnSide, Problems } from '../platform/http/index.js';
import { directoryMediaType, directoryPath, publishedDirectorySchema } from './directory.js';
import { IssuerPublishedDirectory, NetworkPublishedDirectory, type RenderedDirectory } from './published-directory.js';

/**
 * Serves the key directory on both sides. A process that runs both sides serves the issuer's own rendering. The route is
 * public and has no rate limit: a client must always be able to check that it gets the same keys as every other client.
 */
@ApiTags('keys')
@OnSide('process')
@Controller()
export class DirectoryController {
  constructor(
    @Optional() private readonly issuer?: IssuerPublishedDirectory,
    @Optional() private readonly network?: NetworkPublishedDirectory,
  ) {}

  @Get(directoryPath)
  @HttpCode(200)
  @ApiOperation({
    summary: 'List the issuer keys (RFC 9578 §4); the response is the same for every client and on both sides',
  })
  @ApiProduces(directoryMediaType)
  @ApiResponse({ status: 200, description: 'The key directory.', standardSchema: publishedDirectorySchema })
  @ApiResponse({ status: 304, description: 'Not modified since the ETag in If-None-Match.' })
  @Problems('unavailable')
  directory(@Headers('if-none-match') known: string | undefined, @Res() reply: FastifyReply): void {
    void answer(reply, this.current(), known);
  }

  private current(): RenderedDirectory {
    const directory = this.issuer ?? this.network;
    if (directory === undefined) throw new AppError('not_found', 'This process does not publish issuer keys.');
    return directory.current();
  }
}

function answer(reply: FastifyReply, { body, etag }: RenderedDirectory, known: string | undefined): FastifyReply {
  void reply.headers({ etag, 'cache-control': 'public, max-age=300' });
  return matchesEntityTag(known, etag)
    ? reply.status(304).send()
    : reply.status(200).type(directoryMediaType).send(body);
}
