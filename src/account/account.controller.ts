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
  @ApiOperation({ summary: 'Show the account: address, sign-in methods, devices and remaining tokens' })
  @Returns(200, account)
  @Problems(...signInProblems)
  async show(@CurrentUser() user: User) {
    return this.profiles.show(user);
  }

  @Patch()
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Request a change of the e-mail address',
    description:
      'Allowed within five minutes of a sign-in, and five times a day. Sends a link to the new address and a notification to ' +
      'the current one. Nothing changes until the link is opened. Opening it verifies the new address and revokes all ' +
      'sign-ins, so the user must sign in again. If another account has the address, no link is sent; the response is the ' +
      'same, so that it does not reveal who has an account.',
  })
  @Returns(202, account, 'The account, unchanged until the link is opened.')
  @Problems('invalid_request', 'recent_sign_in_required', ...signInProblems)
  async change(@CurrentUser() user: User, @Body({ schema: accountPatch }) body: AccountPatch) {
    return this.profiles.change(user, body);
  }

  @Delete()
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Delete the account permanently',
    description:
      'Allowed within five minutes of a sign-in. Subscriptions through Stripe end at once, without a refund. Then the account ' +
      'at Firebase and all data here are deleted; payment records stay for bookkeeping, without a name. The deletion runs in ' +
      'the background and cannot be stopped.',
  })
  @Returns(202, deletionBegun)
  @Problems('recent_sign_in_required', ...signInProblems)
  async delete(@CurrentUser() user: User) {
    return this.deletions.deleteOwn(user);
  }

  @Get('history')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'List the events of your subscriptions and payments, newest first' })
  @Returns(200, accountHistory)
  @Problems('invalid_request', ...signInProblems)
  async history(@CurrentUser() user: User, @Query({ schema: pageQuery }) query: PageQuery) {
    return this.histories.history(user, query);
  }

  @Get('audit')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'List what you and operators did to your account, newest first' })
  @Returns(200, auditTrail)
  @Problems('invalid_request', ...signInProblems)
  async audit(@CurrentUser() user: User, @Query({ schema: pageQuery }) query: PageQuery) {
    return this.histories.acts(user, query);
  }

  @Get('export')
  @Header('cache-control', 'no-store')
  @Header('content-disposition', 'attachment; filename="account.json"')
  @ApiOperation({ summary: 'Export all data stored about you' })
  @Returns(200, accountExport)
  @Problems(...signInProblems)
  async export(@CurrentUser() user: User) {
    return this.exports.export(user);
  }

  @Post('devices')
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Register a device for push notifications',
    description:
      'Call this again whenever Firebase gives the app a new token. A user can have 20 devices; registering another one ' +
      'removes the oldest.',
  })
  @Returns(201, device)
  @Problems('invalid_request', ...signInProblems)
  async addDevice(@CurrentUser() user: User, @Body({ schema: newDevice }) body: NewDevice) {
    return this.profiles.addDevice(user, body);
  }

  @Delete('devices/:id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Remove a device from push notifications' })
  @ApiNoContentResponse({ description: 'The device is removed.' })
  @Problems('invalid_request', 'device_not_found', ...signInProblems)
  async removeDevice(@CurrentUser() user: User, @Param({ schema: deviceName }) { id }: DeviceName): Promise<void> {
    await this.profiles.removeDevice(user, id);
  }
}
