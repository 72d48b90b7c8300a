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
const ifMatch = { name: 'if-match', required: true, description: 'The ETag of what you have read, or `*`.' };

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
    summary: 'What you have chosen for all your devices',
    description:
      'With an ETag, which a change must name. What would profile you is kept on your device and refused here: apps that ' +
      'bypass the tunnel, names of networks, rules of when to connect.',
  })
  @Returns(200, preferences)
  @Problems(...signInProblems)
  async read(@CurrentUser() person: User, @Res({ passthrough: true }) reply: FastifyReply) {
    return tagged(reply, await this.service.read(person.userId));
  }

  @Put()
  @Header('cache-control', 'no-store')
  @ApiHeader(ifMatch)
  @ApiOperation({ summary: 'Choose everything anew' })
  @Returns(200, preferences)
  @Problems(...change, ...signInProblems)
  async replace(
    @CurrentUser() person: User,
    @Headers('if-match') match: string | undefined,
    @Body({ schema: preferences }) body: Preferences,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return tagged(reply, await this.service.replace(person.userId, body, readIfMatch(match)));
  }

  @Patch()
  @Header('cache-control', 'no-store')
  @ApiHeader(ifMatch)
  @ApiOperation({
    summary: 'Change some choices',
    description: 'Names what is to change; all else stays.',
  })
  @Returns(200, preferences)
  @Problems(...change, ...signInProblems)
  async patch(
    @CurrentUser() person: User,
    @Headers('if-match') match: string | undefined,
    @Body({ schema: preferencesPatch }) body: PreferencesPatch,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return tagged(reply, await this.service.patch(person.userId, body, readIfMatch(match)));
  }
}

function tagged(reply: FastifyReply, { version, preferences: chosen }: VersionedPreferences): Preferences {
  void reply.header('etag', versionTag(version));
  return chosen;
}
