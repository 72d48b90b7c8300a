import { Body, Controller, Delete, Get, Header, HttpCode, Param, Patch, Post, Query, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiNoContentResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentUser, type User, UserGuard, signInProblems } from '../auth/index.js';
import { OnSide, Problems, Returns } from '../platform/http/index.js';
import { GatekeeperAddressLimit } from '../platform/rate-limit/index.js';
import {
  account,
  accountExport,
  accountHistory,
  accountPatch,
  type AccountPatch,
  auditTrail,
  deletionBegun,
  device,
  deviceName,
  type DeviceName,
  newDevice,
  type NewDevice,
  pageQuery,
  type PageQuery,
} from './account.schema.js';
import { AccountDeletionService } from './account-deletion.service.js';
import { AccountExportService } from './account-export.service.js';
import { AccountHistoryService } from './account-history.service.js';
import { ProfileService } from './profile.service.js';

@ApiTags('account')
@ApiBearerAuth('idToken')
@OnSide('gatekeeper')
@Controller('account')
@UseGuards(GatekeeperAddressLimit, UserGuard)
export class AccountController {
  constructor(
    private readonly profiles: ProfileService,
    private readonly histories: AccountHistoryService,
    private readonly exports: AccountExportService,
    private readonly deletions: AccountDeletionService,
  ) {}

  @Get()
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Who you are here: address, ways to sign in, devices, tokens left' })
  @Returns(200, account)
  @Problems(...signInProblems)
  async show(@CurrentUser() person: User) {
    return this.profiles.show(person);
  }

  @Patch()
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Ask for another e-mail address',
    description:
      'Within five minutes of a sign-in, five times a day. A link goes to the new address, and word of it to the present one. ' +
      'Nothing changes before the link is opened; then the address is proven, every sign-in ends, and the person signs in ' +
      'again. The answer says nothing of whether the address is another account’s: then no link is sent.',
  })
  @Returns(202, account, 'The account as it is until the link is opened.')
  @Problems('invalid_request', 'recent_sign_in_required', ...signInProblems)
  async change(@CurrentUser() person: User, @Body({ schema: accountPatch }) body: AccountPatch) {
    return this.profiles.change(person, body);
  }

  @Delete()
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Delete the account, for good',
    description:
      'Within five minutes of a sign-in. Subscriptions through Stripe end at once, without money back; then the account at ' +
      'Firebase and every row go. Payments stay for the books without a name. What is begun is finished, even if it takes days.',
  })
  @Returns(202, deletionBegun)
  @Problems('recent_sign_in_required', ...signInProblems)
  async delete(@CurrentUser() person: User) {
    return this.deletions.askedFor(person);
  }

  @Get('history')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'What happened to your subscriptions and payments, newest first' })
  @Returns(200, accountHistory)
  @Problems('invalid_request', ...signInProblems)
  async history(@CurrentUser() person: User, @Query({ schema: pageQuery }) query: PageQuery) {
    return this.histories.history(person, query);
  }

  @Get('audit')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'What you and operators did to your account, newest first' })
  @Returns(200, auditTrail)
  @Problems('invalid_request', ...signInProblems)
  async audit(@CurrentUser() person: User, @Query({ schema: pageQuery }) query: PageQuery) {
    return this.histories.acts(person, query);
  }

  @Get('export')
  @Header('cache-control', 'no-store')
  @Header('content-disposition', 'attachment; filename="account.json"')
  @ApiOperation({ summary: 'Everything that is kept of you' })
  @Returns(200, accountExport)
  @Problems(...signInProblems)
  async export(@CurrentUser() person: User) {
    return this.exports.export(person);
  }

  @Post('devices')
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Register a device for pushes',
    description: 'Again whenever Firebase gives the app another token. A person has at most 20; the oldest makes room.',
  })
  @Returns(201, device)
  @Problems('invalid_request', ...signInProblems)
  async addDevice(@CurrentUser() person: User, @Body({ schema: newDevice }) body: NewDevice) {
    return this.profiles.addDevice(person, body);
  }

  @Delete('devices/:id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Send no more pushes to a device' })
  @ApiNoContentResponse({ description: 'It is forgotten.' })
  @Problems('invalid_request', 'device_not_found', ...signInProblems)
  async removeDevice(@CurrentUser() person: User, @Param({ schema: deviceName }) { id }: DeviceName): Promise<void> {
    await this.profiles.removeDevice(person, id);
  }
}
