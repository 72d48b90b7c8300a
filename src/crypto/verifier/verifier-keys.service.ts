import { setTimeout } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import { AnonymizerLogger } from '../../logger/index.js';
import { Background, LatestRead, Repeater } from '../../platform/background/index.js';
import { Clock } from '../../platform/config/index.js';
import { Readiness } from '../../platform/health/index.js';
import { type DirectoryKey } from '../directory.js';
import { IssuerDirectorySource } from '../published-directory.js';
import { parseTokenKey } from '../token-key.js';
import { verifyToken } from './token-verifier.js';
import { VerifierKeysStore } from './verifier-keys.store.js';

const pollMs = 30_000;
const refreshMs = 1_000;
/** A token with an unknown key triggers a poll of the directory. All such polls together are at least this far apart. */
const minPollGapMs = 1_000;

const directoryReads = new Counter({
  name: 'verifier_directory_reads_total',
  help: 'Reads of the issuer directory, by result: ok or failed.',
  labelNames: ['result'],
});

/** A key whose tokens are accepted. */
export interface VerifyingKey {
  readonly keyId: Buffer;
  readonly verifyUntil: Date;
  /** @param token 98 bytes @param signature 256 bytes */
  verifies(token: Buffer, signature: Buffer): boolean;
}

export type KeyResult =
  | { readonly status: 'known'; readonly key: VerifyingKey }
  | { readonly status: 'denied' | 'expired' }
  /** `stale`: our copy of the directory is out of date, so the key may exist; do not reject the token as invalid. */
  | { readonly status: 'unknown'; readonly stale: boolean };

interface CachedKey {
  readonly published: DirectoryKey;
  readonly verifying: VerifyingKey;
}

/** Where this process reads the directory: from an issuer in the same process, or over HTTP. */
export const DIRECTORY_SOURCE = Symbol('DIRECTORY_SOURCE');

/**
 * The anonymizer's copy of the issuer's keys. It reads them from the issuer's directory and stores them in its own database,
 * so that it can start and run without the gatekeeper. A read that fails, or that lacks a key, removes no key. A key stops
 * verifying only when it expires, when the directory lists it as retired, or when the operator denies it here.
 */
@Injectable()
export class VerifierKeysService {
  private cached = new Map<string, CachedKey>();
  private readonly poller = new Repeater({
    waitMs: pollMs,
    run: () => this.poll(),
    onFailure: (error) => this.logFailure(error),
  });
  private readonly refresher = new Repeater({
    waitMs: refreshMs,
    run: () => this.tick(),
    onFailure: (error) => this.logFailure(error),
  });
  /** True while the last read failed or none has succeeded yet: then a key may exist even if it is missing here. */
  private stale = true;
  private nextPoll: Promise<void> | undefined;
  private pollGap: Promise<unknown> = Promise.resolve();
  private readonly refreshes = new LatestRead();

  constructor(
    private readonly store: VerifierKeysStore,
    @Inject(DIRECTORY_SOURCE) private readonly source: IssuerDirectorySource,
    private readonly clock: Clock,
    private readonly logger: AnonymizerLogger,
    background: Background,
    readiness: Readiness,
  ) {
    background.add({ start: () => this.start(), stop: () => this.stop() });
    readiness.add({ name: 'issuer-directory', needed: false, check: async () => this.assertFresh() });
  }

  /**
   * Finds the key with this id (32 bytes). For an unknown id it first polls the directory: the replacement of a retired key
   * signs before the next regular poll, and a good token must not be rejected because our list is older than its key. Polls
   * are rate-limited and shared. So a flood of unknown ids makes requests wait, but never makes a valid key unknown.
   */
  async find(keyId: Uint8Array): Promise<KeyResult> {
    const result = this.findCached(keyId);
    if (result.status !== 'unknown') return result;
    await this.pollSoon();
    return this.findCached(keyId);
  }

  /** All keys, including expired ones until they are purged. */
  directoryKeys(): readonly DirectoryKey[] {
    return [...this.cached.values()].map(({ published }) => published);
  }

  /**
   * For emergencies: the operator denies a key (id of 32 bytes). Its tokens are refused from now on, even if the issuer still
   * lists it. Other replicas follow within a second.
   *
   * @returns whether there is such a key
   */
  async deny(keyId: Uint8Array): Promise<boolean> {
    const found = await this.store.deny(keyId, this.clock.now());
    if (found) this.logger.warn('verifier_key_denied');
    await this.refresh();
    return found;
  }

  /** Reads the issuer's directory and stores new keys and retirements. Rejects when it cannot be fetched or is invalid. */
  async poll(): Promise<void> {
    try {
      const asOf = this.clock.now();
      const listed = await this.source.read();
      // Skip expired keys: the tombstones of their spent tokens may be purged already.
      for (const key of listed.filter(({ verifyUntil }) => verifyUntil > asOf)) await this.store.save(key, asOf);
      await this.refresh();
      this.stale = false;
      directoryReads.inc({ result: 'ok' });
    } catch (error) {
      this.stale = true;
      directoryReads.inc({ result: 'failed' });
      throw error;
    }
  }

  /** Deletes keys that expired long ago. */
  async purge(): Promise<void> {
    await this.store.purge(this.clock.now());
  }

  /** Reads the snapshot from the database. */
  async refresh(): Promise<void> {
    await this.refreshes.run(
      () => this.store.all(),
      (keys) => (this.cached = new Map(keys.map((key) => this.toCached(key)).filter((entry) => entry !== undefined))),
    );
  }

  /** Reads what other replicas have stored, and polls the directory again after a failed read. */
  private async tick(): Promise<void> {
    await this.refresh();
    if (this.stale) await this.poll();
  }

  private async start(): Promise<void> {
    await this.refresh().catch((error: unknown) => this.logFailure(error));
    await this.poll().catch((error: unknown) => this.logFailure(error));
    await this.refresher.start();
    await this.poller.start();
  }

  private async stop(): Promise<void> {
    await Promise.all([this.refresher.stop(), this.poller.stop(), this.nextPoll]);
  }

  private findCached(keyId: Uint8Array): KeyResult {
    const key = this.cached.get(hex(keyId));
    if (key === undefined) return { status: 'unknown', stale: this.stale };
    if (key.published.retired) return { status: 'denied' };
    if (key.published.verifyUntil <= this.clock.now()) return { status: 'expired' };
    return { status: 'known', key: key.verifying };
  }

  /** Resolves after a read of the directory that began after this call. Callers that wait for the same read share it. */
  private pollSoon(): Promise<void> {
    this.nextPoll ??= this.pollGap.then(async () => {
      this.nextPoll = undefined;
      this.pollGap = setTimeout(minPollGapMs, undefined, { ref: false });
      await this.poll().catch((error: unknown) => this.logFailure(error));
    });
    return this.nextPoll;
  }

  /** Reuses the parsed key when it is cached already. */
  private toCached(published: DirectoryKey): [string, CachedKey] | undefined {
    const name = hex(published.keyId);
    const verifying = this.cached.get(name)?.verifying ?? toVerifyingKey(published);
    return verifying === undefined ? undefined : [name, { published, verifying }];
  }

  private assertFresh(): void {
    if (this.stale) throw new Error('the issuer directory cannot be read');
  }

  private logFailure(error: unknown): void {
    this.logger.error('issuer_directory_not_read', error);
  }
}

function toVerifyingKey({ keyId, spki, verifyUntil }: DirectoryKey): VerifyingKey | undefined {
  const tokenKey = parseTokenKey(spki);
  if (tokenKey === undefined || !tokenKey.keyId.equals(keyId)) return undefined;
  const { publicKey } = tokenKey;
  return { keyId, verifyUntil, verifies: (token, signature) => verifyToken(publicKey, token, signature) };
}

function hex(keyId: Uint8Array): string {
  return Buffer.from(keyId).toString('hex');
}
