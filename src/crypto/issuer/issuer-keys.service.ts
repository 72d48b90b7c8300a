import { Injectable } from '@nestjs/common';
import { GatekeeperLogger } from '../../logger/index.js';
import { Background, LatestRead, Repeater } from '../../platform/background/index.js';
import { Clock, ConfigError } from '../../platform/config/index.js';
import { AppError, isStoreOutage } from '../../platform/errors/index.js';
import { Readiness } from '../../platform/health/index.js';
import { type DirectoryKey } from '../directory.js';
import { type Epoch, epochOf } from '../epoch.js';
import { makeIssuerKey, openIssuerKey, type SigningKey, type StoredIssuerKey } from './issuer-key.js';
import { IssuerKeysStore, type NewIssuerKey } from './issuer-keys.store.js';
import { KeyRing } from './key-ring.js';
import { PrivateKeyEncryption } from './private-key-encryption.js';

const refreshMs = 1_000;

/**
 * The issuer's keys. The keys of today and tomorrow always exist, and all replicas share them through the database. Signing
 * uses a snapshot in memory, which is refreshed every second.
 */
@Injectable()
export class IssuerKeysService {
  private ring = new KeyRing([], []);
  private readonly opened = new Map<string, { readonly sealed: Buffer; readonly key: SigningKey | undefined }>();
  private readonly refresher = new Repeater({
    waitMs: refreshMs,
    run: () => this.tick(),
    onFailure: (error) => this.logFailure(error),
  });
  private readonly reads = new LatestRead();

  constructor(
    private readonly store: IssuerKeysStore,
    private readonly encryption: PrivateKeyEncryption,
    private readonly clock: Clock,
    private readonly logger: GatekeeperLogger,
    background: Background,
    readiness: Readiness,
  ) {
    background.add({ start: () => this.start(), stop: () => this.refresher.stop() });
    readiness.add({ name: 'issuer-keys', needed: false, check: async () => void this.signingKey() });
  }

  /**
   * The key to sign with when the client names none.
   *
   * @throws {AppError} `unavailable` while no key can sign; the next refresh creates one
   */
  signingKey(): SigningKey {
    const key = this.ring.current(this.clock.now());
    if (key !== undefined) return key;
    throw new AppError('unavailable', 'No issuer key is available for signing now. Try again.', {
      headers: { 'retry-after': '1' },
    });
  }

  /** The key with this id (32 bytes), if it signs now. */
  keyFor(keyId: Uint8Array): SigningKey | undefined {
    return this.ring.byId(keyId, this.clock.now());
  }

  /** The key whose id ends in this byte, if it signs now. No two live keys share it. */
  keyForTruncated(truncatedKeyId: number): SigningKey | undefined {
    return this.ring.byTruncatedId(truncatedKeyId, this.clock.now());
  }

  /** Every key whose tokens have not all expired, retired ones included. */
  directoryKeys(): readonly DirectoryKey[] {
    return this.ring.published;
  }

  /** Creates the keys of today and tomorrow unless they exist, and refreshes the snapshot. Safe to call at any time. */
  async ensureKeys(): Promise<void> {
    await this.store.createMissing(this.epochs(), this.clock.now(), (taken) => this.makeKey(taken));
    await this.refresh();
  }

  /** The maintenance job: creates keys ahead, erases or re-encrypts private keys, and deletes old rows. */
  async rotate(): Promise<void> {
    await this.ensureKeys();
    const now = this.clock.now();
    await this.store.erasePrivateHalves(now);
    await this.store.purge(now);
    // Last, because it throws when a private key cannot be decrypted.
    for (const key of await this.store.live(now)) await this.rewrap(key);
  }

  /**
   * For emergencies: revokes a key and erases its private key. Issuer replicas stop using it within a second, the anonymizer
   * with its next read of the directory. A key of today or tomorrow is replaced at once; the new key has its own quota.
   *
   * @returns whether there is a live key with this id
   */
  async retire(keyId: Uint8Array): Promise<boolean> {
    const found = await this.store.retire(keyId, this.epochs(), this.clock.now(), (taken) => this.makeKey(taken));
    if (found) this.logger.warn('issuer_key_retired');
    await this.refresh();
    return found;
  }

  /** Reads the snapshot from the database. */
  async refresh(): Promise<void> {
    await this.reads.run(
      () => this.store.live(this.clock.now()),
      (stored) => this.replaceRing(stored),
    );
  }

  private async start(): Promise<void> {
    await this.ensureKeys().catch((error: unknown) => {
      if (!isStoreOutage(error)) throw error;
      this.logFailure(error);
    });
    this.assertEncryptionKeyMatches();
    await this.refresher.start();
  }

  private async tick(): Promise<void> {
    await this.refresh();
    if (this.ring.current(this.clock.now()) === undefined) await this.ensureKeys();
  }

  /** If no key can be decrypted, the process would look healthy but sign nothing. So the start fails. */
  private assertEncryptionKeyMatches(): void {
    if (this.ring.published.length === 0 || this.ring.current(this.clock.now()) !== undefined) return;
    throw new ConfigError([
      'ISSUER_KEY_ENCRYPTION_KEY does not decrypt the issuer keys in the database: set it, or ' +
        'ISSUER_KEY_ENCRYPTION_KEY_PREVIOUS, to the key they were encrypted with, or retire them',
    ]);
  }

  /** Today's and tomorrow's. */
  private epochs(): Epoch[] {
    const today = epochOf(this.clock.now());
    return [today, today + 1];
  }

  private async makeKey(taken: ReadonlySet<number>): Promise<NewIssuerKey> {
    const { keyId, spki, privateKey } = await makeIssuerKey(taken);
    const encryptedPrivateKey = this.encryption.seal(keyId, privateKey);
    privateKey.fill(0);
    return { keyId, spki, encryptedPrivateKey };
  }

  private async rewrap({ keyId, encryptedPrivateKey }: StoredIssuerKey): Promise<void> {
    if (encryptedPrivateKey === null) return;
    const wrapped = this.encryption.rewrap(keyId, encryptedPrivateKey);
    if (wrapped !== undefined) await this.store.rewrap(keyId, encryptedPrivateKey, wrapped);
  }

  private replaceRing(stored: readonly StoredIssuerKey[]): void {
    const signing = stored.map((key) => this.open(key)).filter((key) => key !== undefined);
    this.ring = new KeyRing(stored, signing);
    this.evictOpened(stored);
  }

  /** Opens each key once and caches it: parsing costs more than signing. A failure is cached too, and so logged only once. */
  private open(stored: StoredIssuerKey): SigningKey | undefined {
    const { keyId, encryptedPrivateKey: sealed } = stored;
    if (sealed === null) return undefined;
    const cached = this.opened.get(keyId.toString('hex'));
    if (cached !== undefined && (cached.key !== undefined || cached.sealed.equals(sealed))) return cached.key;
    const key = this.tryToOpen(stored, sealed);
    this.opened.set(keyId.toString('hex'), { sealed, key });
    return key;
  }

  private tryToOpen(stored: StoredIssuerKey, sealed: Buffer): SigningKey | undefined {
    try {
      return openIssuerKey(stored, this.encryption.open(stored.keyId, sealed));
    } catch (error) {
      this.logger.error('issuer_key_not_opened', error);
      return undefined;
    }
  }

  private evictOpened(stored: readonly StoredIssuerKey[]): void {
    const sealed = new Set(stored.filter((key) => key.encryptedPrivateKey).map((key) => key.keyId.toString('hex')));
    for (const name of this.opened.keys()) if (!sealed.has(name)) this.opened.delete(name);
  }

  private logFailure(error: unknown): void {
    this.logger.error('issuer_keys_not_read', error);
  }
}
