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
/** An unknown key makes the issuer be asked, but no more often than this, whoever sends them. */
const askAgainMs = 1_000;

const directoryReads = new Counter({
  name: 'verifier_directory_reads_total',
  help: 'Reads of the issuer directory, by result.',
  labelNames: ['result'],
});

/** A key whose tokens are accepted. */
export interface VerifyingKey {
  readonly keyId: Buffer;
  readonly verifyUntil: Date;
  /** @param token 98 bytes @param signature 256 bytes */
  verifies(token: Buffer, signature: Buffer): boolean;
}

export type KeyAnswer =
  | { readonly status: 'known'; readonly key: VerifyingKey }
  | { readonly status: 'denied' | 'expired' }
  /** `stale`: the key may exist all the same, so nothing must be held against the token. */
  | { readonly status: 'unknown'; readonly stale: boolean };

interface HeldKey {
  readonly published: DirectoryKey;
  readonly verifying: VerifyingKey;
}

/** Where this process reads the directory: beside it, or over HTTP. */
export const DIRECTORY_SOURCE = Symbol('DIRECTORY_SOURCE');

/**
 * What the anonymizer knows of the issuer's keys. It learns them from the issuer's directory and keeps them in its own
 * database, so that it starts and goes on without the gatekeeper: a read that fails, or lacks a key, takes nothing away.
 * A key ends by its time, by the issuer's statement that it is retired, or by the operator's `deny` here; never otherwise.
 */
@Injectable()
export class VerifierKeysService {
  private held = new Map<string, HeldKey>();
  private readonly poller = new Repeater({
    waitMs: pollMs,
    run: () => this.poll(),
    onFailure: (error) => this.failed(error),
  });
  private readonly refresher = new Repeater({
    waitMs: refreshMs,
    run: () => this.catchUp(),
    onFailure: (error) => this.failed(error),
  });
  /** While the last read failed, or there was none, the list says nothing about keys that it lacks. */
  private stale = true;
  private asking: Promise<void> | undefined;
  private mayAsk: Promise<unknown> = Promise.resolve();
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
    readiness.add({ name: 'issuer-directory', needed: false, check: async () => this.refuseStaleness() });
  }

  /**
   * What is known of the key with this id (32 bytes). For an unknown one the issuer is asked first, however much others have
   * just asked: a replacement for a retired key signs before the next regular read, and a good token must not be called bad
   * on the strength of a list that is older than its key. So a flood of unknown keys waits; it makes nobody's key unknown.
   */
  async find(keyId: Uint8Array): Promise<KeyAnswer> {
    const answer = this.lookUp(keyId);
    if (answer.status !== 'unknown') return answer;
    await this.ask();
    return this.lookUp(keyId);
  }

  /** Every key, expired ones too for a while. */
  directoryKeys(): readonly DirectoryKey[] {
    return [...this.held.values()].map(({ published }) => published);
  }

  /**
   * The operator's emergency: tokens of this key (id of 32 bytes) are refused from now on, whatever the issuer says. Other
   * replicas follow within a second.
   *
   * @returns whether there is such a key
   */
  async deny(keyId: Uint8Array): Promise<boolean> {
    const found = await this.store.deny(keyId, this.clock.now());
    if (found) this.logger.warn('verifier_key_denied');
    await this.refresh();
    return found;
  }

  /** Reads the issuer's directory and keeps what is new. Rejects when it cannot be had or believed. */
  async poll(): Promise<void> {
    try {
      const asOf = this.clock.now();
      const listed = await this.source.read();
      // One that has ended is not taken up: its tombstones may be gone.
      for (const key of listed.filter(({ verifyUntil }) => verifyUntil > asOf)) await this.store.learn(key, asOf);
      await this.refresh();
      this.stale = false;
      directoryReads.inc({ result: 'ok' });
    } catch (error) {
      this.stale = true;
      directoryReads.inc({ result: 'failed' });
      throw error;
    }
  }

  /** Drops the keys whose tokens are long over. */
  async purge(): Promise<void> {
    await this.store.purge(this.clock.now());
  }

  /** Reads the snapshot from the database now. */
  async refresh(): Promise<void> {
    await this.refreshes.run(
      () => this.store.all(),
      (keys) => (this.held = new Map(keys.map((key) => this.hold(key)).filter((entry) => entry !== undefined))),
    );
  }

  /** What other replicas have learnt; and the directory, while the last read of it failed. */
  private async catchUp(): Promise<void> {
    await this.refresh();
    if (this.stale) await this.poll();
  }

  private async start(): Promise<void> {
    await this.refresh().catch((error: unknown) => this.failed(error));
    await this.poll().catch((error: unknown) => this.failed(error));
    await this.refresher.start();
    await this.poller.start();
  }

  private async stop(): Promise<void> {
    await Promise.all([this.refresher.stop(), this.poller.stop(), this.asking]);
  }

  private lookUp(keyId: Uint8Array): KeyAnswer {
    const key = this.held.get(hex(keyId));
    if (key === undefined) return { status: 'unknown', stale: this.stale };
    if (key.published.retired) return { status: 'denied' };
    if (key.published.verifyUntil <= this.clock.now()) return { status: 'expired' };
    return { status: 'known', key: key.verifying };
  }

  /** Resolves after a read of the directory that began after this call; callers that wait for its turn share it. */
  private ask(): Promise<void> {
    this.asking ??= this.mayAsk.then(async () => {
      this.asking = undefined;
      this.mayAsk = setTimeout(askAgainMs, undefined, { ref: false });
      await this.poll().catch((error: unknown) => this.failed(error));
    });
    return this.asking;
  }

  /** Parsed once, then kept. */
  private hold(published: DirectoryKey): [string, HeldKey] | undefined {
    const name = hex(published.keyId);
    const verifying = this.held.get(name)?.verifying ?? toVerifyingKey(published);
    return verifying === undefined ? undefined : [name, { published, verifying }];
  }

  private refuseStaleness(): void {
    if (this.stale) throw new Error('the issuer directory cannot be read');
  }

  private failed(error: unknown): void {
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
