import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A fake's state, kept from start to start in a file of its own in the data folder, if there is one. */
export class StoredJson<T> {
  private readonly file: string | undefined;
  private timer: NodeJS.Timeout | undefined;
  private latest: (() => T) | undefined;

  constructor(dataDir: string | undefined, name: string) {
    if (dataDir === undefined) return;
    mkdirSync(join(dataDir, name), { recursive: true, mode: 0o700 });
    this.file = join(dataDir, name, 'state.json');
  }

  read(): T | undefined {
    if (this.file === undefined || !existsSync(this.file)) return undefined;
    return JSON.parse(readFileSync(this.file, 'utf8')) as T;
  }

  /** Soon; what changes until then is written with it. */
  write(state: () => T): void {
    if (this.file === undefined) return;
    this.latest = state;
    this.timer ??= setTimeout(() => this.flush(), 100).unref();
  }

  /** Whole or not at all. */
  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.file === undefined || !this.latest) return;
    writeFileSync(`${this.file}.tmp`, JSON.stringify(this.latest()), { mode: 0o600 });
    renameSync(`${this.file}.tmp`, this.file);
    this.latest = undefined;
  }
}
