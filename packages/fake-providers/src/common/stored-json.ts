import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A fake's state in a file of the data folder, so that it survives restarts. Without a data folder it stores nothing. */
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

  /** Writes within 100 ms. Changes until then go into the same write. */
  write(state: () => T): void {
    if (this.file === undefined) return;
    this.latest = state;
    this.timer ??= setTimeout(() => this.flush(), 100).unref();
  }

  /** Writes now, atomically: to a temporary file that replaces the old one. */
  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.file === undefined || !this.latest) return;
    writeFileSync(`${this.file}.tmp`, JSON.stringify(this.latest()), { mode: 0o600 });
    renameSync(`${this.file}.tmp`, this.file);
    this.latest = undefined;
  }
}
