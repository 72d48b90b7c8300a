import { Body, Controller, Get, Header, Headers, Patch, Put, Res, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiHeader, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { CurrentUser, type User, UserGuard, signInProblems } from '../auth/index.js';
import { OnSide, Problems, readIfMatch, Returns, versionTag } from '../platform/http/index.js';
import { GatekeeperAddressLimit } from '../platform/rate-limit/index.js';
import { preferences, type Preferences, preferencesPatch, type PreferencesPatch } from './preferences.schema.js';
import { PreferencesService } from './preferences.service.js';
import { type VersionedPreferences } from './preferences.store.js';

const change = ['invalid_request', 'precondition_required', 'precondition_failed'] as const;
const ifMatch = {
  name: 'if-match',
  required: true,
  description: 'The ETag of the preferences that you read, or `*` for any version.',
};

@ApiTags('preferences')
@ApiBearerAuth('idToken')
@OnSide('gatekeeper')
@Controller('preferences')
@UseGuards(GatekeeperAddressLimit, UserGuard)
export class PreferencesController {
  constructor(private readonly service: PreferencesService) {}

  @Get()
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Show the preferences that apply to all your devices',
    description:
      'The response has an ETag, which each change must send as `If-Match`. Settings that would profile the user belong on ' +
      'the device and are refused here: apps that bypass the tunnel, names of networks, rules when to connect.',
  })
  @Returns(200, preferences)
  @Problems(...signInProblems)
  async read(@CurrentUser() user: User, @Res({ passthrough: true }) reply: FastifyReply) {
    return withEtag(reply, await this.service.read(user.userId));
  }

  @Put()
  @Header('cache-control', 'no-store')
  @ApiHeader(ifMatch)
  @ApiOperation({ summary: 'Replace all preferences' })
  @Returns(200, preferences)
  @Problems(...change, ...signInProblems)
  async replace(
    @CurrentUser() user: User,
    @Headers('if-match') match: string | undefined,
    @Body({ schema: preferences }) body: Preferences,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return withEtag(reply, await this.service.replace(user.userId, body, readIfMatch(match)));
  }

  @Patch()
  @Header('cache-control', 'no-store')
  @ApiHeader(ifMatch)
  @ApiOperation({
    summary: 'Change some preferences',
    description: 'Send only the fields to change; all others stay as they are.',
  })
  @Returns(200, preferences)
  @Problems(...change, ...signInProblems)
  async patch(
    @CurrentUser() user: User,
    @Headers('if-match') match: string | undefined,
    @Body({ schema: preferencesPatch }) body: PreferencesPatch,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return withEtag(reply, await this.service.patch(user.userId, body, readIfMatch(match)));
  }
}

function withEtag(reply: FastifyReply, { version, preferences: current }: VersionedPreferences): Preferences {
  void reply.header('etag', versionTag(version));
  return current;
}
