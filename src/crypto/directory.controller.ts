import { Controller, Get, Headers, HttpCode, Optional, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { AppError } from '../platform/errors/index.js';
import { matchesEntityTag, OnSide, Problems } from '../platform/http/index.js';
import { directoryMediaType, directoryPath, publishedDirectorySchema } from './directory.js';
import { IssuerPublishedDirectory, NetworkPublishedDirectory, type Published } from './published-directory.js';

/**
 * The key directory, on whichever sides this process serves; in one process the issuer's own rendering is the nearer.
 * Open to everyone and never limited by address: whoever cannot read it cannot find out that they are shown another.
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
  @ApiOperation({ summary: 'The issuer keys (RFC 9578 §4): the same answer for everyone, from both sides' })
  @ApiProduces(directoryMediaType)
  @ApiResponse({ status: 200, description: 'The keys.', standardSchema: publishedDirectorySchema })
  @ApiResponse({ status: 304, description: 'Unchanged since the ETag that was sent.' })
  @Problems('unavailable')
  directory(@Headers('if-none-match') known: string | undefined, @Res() reply: FastifyReply): void {
    void answer(reply, this.current(), known);
  }

  private current(): Published {
    const directory = this.issuer ?? this.network;
    if (directory === undefined) throw new AppError('not_found', 'This process publishes no keys.');
    return directory.current();
  }
}

function answer(reply: FastifyReply, { body, etag }: Published, known: string | undefined): FastifyReply {
  void reply.headers({ etag, 'cache-control': 'public, max-age=300' });
  return matchesEntityTag(known, etag)
    ? reply.status(304).send()
    : reply.status(200).type(directoryMediaType).send(body);
}
