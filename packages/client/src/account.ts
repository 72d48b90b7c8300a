import {
  type AccountAddDeviceData,
  type AccountAuditData,
  type AccountAuditResponse,
  type AccountChangeData,
  type AccountDeleteData,
  type AccountDeleteResponse,
  type AccountExportData,
  type AccountExportResponse,
  type AccountHistoryData,
  type AccountHistoryResponse,
  type AccountRemoveDeviceData,
  type AccountShowData,
  type AccountShowResponse,
  type PreferencesPatchData,
  type PreferencesReadData,
  type PreferencesReadResponse,
  type SignOutEverywhereData,
} from './api.gen.js';
import { type Gatekeeper } from './gatekeeper.js';
import { type Answer, unexpectedAnswer } from './transport.js';
import { type Fields, has, isRecord } from './wire.js';

/** Address, ways to sign in, devices that get pushes, and how many of today's tokens are used and left. */
export type Account = Readonly<AccountShowResponse>;
export type AccountHistory = Readonly<AccountHistoryResponse>;
export type AuditTrail = Readonly<AccountAuditResponse>;
/** Everything that is kept of the person: rows by table, and what Firebase says of the account. */
export type AccountExport = Readonly<AccountExportResponse>;
export type DeletionBegun = Readonly<AccountDeleteResponse>;
export type NewDevice = Readonly<AccountAddDeviceData['body']>;
export type Preferences = Readonly<PreferencesReadResponse>;
export type PreferencesPatch = Readonly<PreferencesPatchData['body']>;

/** Preferences as they were read; `etag` says of which version, for a change of just these. */
export interface TaggedPreferences {
  readonly preferences: Preferences;
  readonly etag: string;
}

export interface Page {
  /** `next` of the page before. */
  readonly cursor?: string | undefined;
  /** 1 to 100; 50 by default. */
  readonly limit?: number | undefined;
}

/**
 * The person's account: all of it is the gatekeeper's, and nothing of it speaks of a connection. Every method throws
 * `VpnApiError`; `recent_sign_in_required` asks for a sign-in within the last five minutes.
 */
export class VpnAccount {
  readonly #gatekeeper: Gatekeeper;

  constructor(gatekeeper: Gatekeeper) {
    this.#gatekeeper = gatekeeper;
  }

  async show(): Promise<Account> {
    return read(await this.#gatekeeper.asked<AccountShowData>({ path: '/account' }), isAccount);
  }

  /**
   * Asks for another address. It is sent a link; once that is opened, the account has it, every sign-in ends, and the person
   * signs in again. Nothing is said of an address that is another account's.
   *
   * @returns the account as it is until then
   * @throws {VpnApiError} `recent_sign_in_required`, `invalid_request`, `rate_limited` after five of a day
   */
  async changeEmail(email: string): Promise<Account> {
    const call = { path: '/account', method: 'PATCH', body: { email } } as const;
    return read(await this.#gatekeeper.asked<AccountChangeData>(call), isAccount);
  }

  /** Registers a device for pushes; again whenever Firebase gives the app another token. @returns the device's id */
  async addDevice(device: NewDevice): Promise<string> {
    const call = { path: '/account/devices', method: 'POST', body: device } as const;
    return read(await this.#gatekeeper.asked<AccountAddDeviceData>(call), isNamed).id;
  }

  /** @throws {VpnApiError} `device_not_found` */
  async removeDevice(id: string): Promise<void> {
    const call = { path: '/account/devices/{id}', params: { id }, method: 'DELETE' } as const;
    await this.#gatekeeper.asked<AccountRemoveDeviceData>(call);
  }

  /** What became of subscriptions and payments, newest first; `next` begins the next page, and is null on the last. */
  async history(page: Page = {}): Promise<AccountHistory> {
    const call = { path: '/account/history', query: queryOf(page) } as const;
    return read(await this.#gatekeeper.asked<AccountHistoryData>(call), isHistory);
  }

  /** What the person and operators did to the account, newest first; paged as `history`. */
  async acts(page: Page = {}): Promise<AuditTrail> {
    const call = { path: '/account/audit', query: queryOf(page) } as const;
    return read(await this.#gatekeeper.asked<AccountAuditData>(call), isAuditTrail);
  }

  async export(): Promise<AccountExport> {
    return read(await this.#gatekeeper.asked<AccountExportData>({ path: '/account/export' }), isExport);
  }

  /**
   * Deletes the account for good. What is begun is finished, even if it takes days.
   *
   * @returns who goes on charging, where only the person can cancel
   * @throws {VpnApiError} `recent_sign_in_required`
   */
  async delete(): Promise<DeletionBegun> {
    const call = { path: '/account', method: 'DELETE' } as const;
    return read(await this.#gatekeeper.asked<AccountDeleteData>(call), isDeletion);
  }

  /** Ends every sign-in on every device, this one too. */
  async signOutEverywhere(): Promise<void> {
    const call = { path: '/auth/signout-everywhere', method: 'POST' } as const;
    await this.#gatekeeper.asked<SignOutEverywhereData>(call);
  }

  async preferences(): Promise<TaggedPreferences> {
    return tagged(await this.#gatekeeper.asked<PreferencesReadData>({ path: '/preferences' }));
  }

  /**
   * Changes what is named, if all is still as it was read.
   *
   * @param etag of what was read; `*` for whatever there is
   * @throws {VpnApiError} `precondition_failed` when another device has changed something: read again, and decide anew
   */
  async changePreferences(patch: PreferencesPatch, etag: string): Promise<TaggedPreferences> {
    const call = { path: '/preferences', method: 'PATCH', body: patch, ifMatch: etag } as const;
    return tagged(await this.#gatekeeper.asked<PreferencesPatchData>(call));
  }
}

function queryOf({ cursor, limit }: Page) {
  return { cursor, limit: limit?.toString() };
}

function read<T>({ body }: Answer, isRight: (body: unknown) => body is T): T {
  if (!isRight(body)) throw unexpectedAnswer(200);
  return body;
}

function tagged(answer: Answer): TaggedPreferences {
  if (answer.etag === undefined) throw unexpectedAnswer(200);
  return { preferences: read(answer, isPreferences), etag: answer.etag };
}

const account: Fields<Account> = { emailVerified: 'boolean', createdOn: 'string', signInProviders: 'strings' };
const device: Fields<Account['devices'][number]> = { id: 'string', platform: 'string', registeredOn: 'string' };
const quota: Fields<Account['tokens']> = { dailyTokens: 'number', used: 'number', left: 'number', resetsAt: 'string' };
const event: Fields<AccountHistory['events'][number]> = { at: 'string', kind: 'string', text: 'string' };
const act: Fields<AuditTrail['acts'][number]> = { at: 'string', by: 'string', action: 'string' };
const exported: Fields<AccountExport> = { exportedAt: 'string' };
const preferences: Fields<Preferences> = {
  dnsBlocking: 'string',
  locale: 'string',
  notMailed: 'strings',
  notPushed: 'strings',
};

const isNamed = (body: unknown): body is { id: string } => has(body, { id: 'string' });
const isPreferences = (body: unknown): body is Preferences => has(body, preferences);
const isDeletion = (body: unknown): body is DeletionBegun => has(body, { stillBilledBy: 'strings' });

function isAccount(body: unknown): body is Account {
  return isRecord(body) && has(body, account) && isListOf(body['devices'], device) && has(body['tokens'], quota);
}

function isHistory(body: unknown): body is AccountHistory {
  return isRecord(body) && isListOf(body['events'], event) && isNext(body['next']);
}

function isAuditTrail(body: unknown): body is AuditTrail {
  return isRecord(body) && isListOf(body['acts'], act) && isNext(body['next']);
}

function isExport(body: unknown): body is AccountExport {
  return (
    isRecord(body) &&
    has(body, exported) &&
    (body['identityProvider'] === null || isRecord(body['identityProvider'])) &&
    isRecord(body['tables'])
  );
}

function isListOf(value: unknown, fields: Parameters<typeof has>[1]): boolean {
  return Array.isArray(value) && value.every((item) => has(item, fields));
}

const isNext = (value: unknown) => value === null || typeof value === 'string';
