import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AccountsSnapshot } from './accounts.js';
import { type Identity } from './certificates.js';

export interface State extends AccountsSnapshot {
  readonly signer: Identity;
}

/** The fake's folder: `firebase/` in the data folder, which survives restarts, or a temporary one. */
export class StoredState {
  private readonly folder: string;

  constructor(private readonly dataDir?: string) {
    this.folder = dataDir === undefined ? mkdtempSync(join(tmpdir(), 'firebase-')) : join(dataDir, 'firebase');
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
  }

  read(): State | undefined {
    return existsSync(this.file) ? (JSON.parse(readFileSync(this.file, 'utf8')) as State) : undefined;
  }

  /** Writes atomically. Does nothing without a data folder. */
  write(state: State): void {
    if (this.dataDir === undefined) return;
    writeFileSync(`${this.file}.tmp`, JSON.stringify(state), { mode: 0o600 });
    renameSync(`${this.file}.tmp`, this.file);
  }

  /** @returns the path of the CA certificate, for the backend to trust. */
  writeCa(ca: string): string {
    const file = join(this.folder, 'ca.pem');
    writeFileSync(file, ca);
    return file;
  }

  removeIfTemporary(): void {
    if (this.dataDir === undefined) rmSync(this.folder, { recursive: true, force: true });
  }

  private get file(): string {
    return join(this.folder, 'accounts.json');
  }
}
