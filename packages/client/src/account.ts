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

/** E-mail address, sign-in providers, devices with push notifications, and how many of today's tokens are used and left. */
export type Account = Readonly<AccountShowResponse>;
export type AccountHistory = Readonly<AccountHistoryResponse>;
export type AuditTrail = Readonly<AccountAuditResponse>;
/** All stored data about the user: rows by table, and the account at Firebase. */
export type AccountExport = Readonly<AccountExportResponse>;
export type AccountDeletion = Readonly<AccountDeleteResponse>;
export type NewDevice = Readonly<AccountAddDeviceData['body']>;
export type Preferences = Readonly<PreferencesReadResponse>;
export type PreferencesPatch = Readonly<PreferencesPatchData['body']>;

/** Preferences with the ETag of the version that was read. Pass it to `changePreferences`. */
export interface TaggedPreferences {
  readonly preferences: Preferences;
  readonly etag: string;
}

export interface Page {
  /** `next` of the previous page. */
  readonly cursor?: string | undefined;
  /** 1 to 100; 50 by default. */
  readonly limit?: number | undefined;
}

/**
 * The user's account at the gatekeeper. It contains nothing about connections. Every method may throw `VpnApiError`;
 * `recent_sign_in_required` means that the user must have signed in within the last five minutes.
 */
export class VpnAccount {
  readonly #gatekeeper: Gatekeeper;

  constructor(gatekeeper: Gatekeeper) {
    this.#gatekeeper = gatekeeper;
  }

  async show(): Promise<Account> {
    return read(await this.#gatekeeper.exchange<AccountShowData>({ path: '/account' }), isAccount);
  }

  /**
   * Requests a new e-mail address. The service mails a link to it; once the user opens the link, the account has the new address
   * and the user must sign in again on every device. The answer is the same when another account has that address.
   *
   * @returns the account, with the old address
   * @throws {VpnApiError} `recent_sign_in_required`, `invalid_request`, `rate_limited` after five requests in a day
   */
  async changeEmail(email: string): Promise<Account> {
    const call = { path: '/account', method: 'PATCH', body: { email } } as const;
    return read(await this.#gatekeeper.exchange<AccountChangeData>(call), isAccount);
  }

  /** Registers a device for push notifications. Call it again when Firebase issues another token. @returns the device's id */
  async addDevice(device: NewDevice): Promise<string> {
    const call = { path: '/account/devices', method: 'POST', body: device } as const;
    return read(await this.#gatekeeper.exchange<AccountAddDeviceData>(call), hasId).id;
  }

  /** @throws {VpnApiError} `device_not_found` */
  async removeDevice(id: string): Promise<void> {
    const call = { path: '/account/devices/{id}', params: { id }, method: 'DELETE' } as const;
    await this.#gatekeeper.exchange<AccountRemoveDeviceData>(call);
  }

  /** The history of subscriptions and payments, newest first. `next` is the cursor of the next page, and null on the last one. */
  async history(page: Page = {}): Promise<AccountHistory> {
    const call = { path: '/account/history', query: queryOf(page) } as const;
    return read(await this.#gatekeeper.exchange<AccountHistoryData>(call), isHistory);
  }

  /** What the user and operators did to the account, newest first, in pages like `history`. */
  async audit(page: Page = {}): Promise<AuditTrail> {
    const call = { path: '/account/audit', query: queryOf(page) } as const;
    return read(await this.#gatekeeper.exchange<AccountAuditData>(call), isAuditTrail);
  }

  async export(): Promise<AccountExport> {
    return read(await this.#gatekeeper.exchange<AccountExportData>({ path: '/account/export' }), isExport);
  }

  /**
   * Deletes the account permanently. Once accepted, the deletion completes by itself, even if it takes days.
   *
   * @returns the providers that keep charging until the user cancels there
   * @throws {VpnApiError} `recent_sign_in_required`
   */
  async delete(): Promise<AccountDeletion> {
    const call = { path: '/account', method: 'DELETE' } as const;
    return read(await this.#gatekeeper.exchange<AccountDeleteData>(call), isDeletion);
  }

  /** Signs the user out on every device, including this one. */
  async signOutEverywhere(): Promise<void> {
    const call = { path: '/auth/signout-everywhere', method: 'POST' } as const;
    await this.#gatekeeper.exchange<SignOutEverywhereData>(call);
  }

  async preferences(): Promise<TaggedPreferences> {
    return readTaggedPreferences(await this.#gatekeeper.exchange<PreferencesReadData>({ path: '/preferences' }));
  }

  /**
   * Changes the given preferences if no preference has changed since they were read.
   *
   * @param etag from `preferences()`; `*` to overwrite any version
   * @throws {VpnApiError} `precondition_failed` when another device has changed a preference: read again, and let the user decide
   */
  async changePreferences(patch: PreferencesPatch, etag: string): Promise<TaggedPreferences> {
    const call = { path: '/preferences', method: 'PATCH', body: patch, ifMatch: etag } as const;
    return readTaggedPreferences(await this.#gatekeeper.exchange<PreferencesPatchData>(call));
  }
}

function queryOf({ cursor, limit }: Page) {
  return { cursor, limit: limit?.toString() };
}

function read<T>({ body }: Answer, isValid: (body: unknown) => body is T): T {
  if (!isValid(body)) throw unexpectedAnswer(200);
  return body;
}

function readTaggedPreferences(answer: Answer): TaggedPreferences {
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

const hasId = (body: unknown): body is { id: string } => has(body, { id: 'string' });
const isPreferences = (body: unknown): body is Preferences => has(body, preferences);
const isDeletion = (body: unknown): body is AccountDeletion => has(body, { stillBilledBy: 'strings' });

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
