import { existsSync } from 'node:fs';
import { mkdir, open, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Child } from '../child.js';
import { type Run } from '../command.js';
import { resolverPort } from '../host/firewall.js';
import { type Tunnel } from '../protocol.js';
import { type Timing } from '../timing.js';
import { readBlockList } from './block-list.js';
import { blockedZone, type Mark, unboundConfig } from './unbound-config.js';

export interface ResolverOptions {
  readonly tunnel: Tunnel;
  /** A folder of this agent's own; what is in it is no secret. */
  readonly folder: string;
  /** Block lists of the operator's; absent: nothing is blocked at that level. */
  readonly lists: Readonly<Partial<Record<Mark, string>>>;
  readonly forwardTo: readonly string[];
  /** With prefix lengths: what no name may lead to. */
  readonly blockedNetworks: readonly string[];
}

const rootKeys = ['/usr/share/dns/root.key', '/var/lib/unbound/root.key'];

/** The node's resolver: unbound, with the agent's own configuration, up and down with the agent. */
export class Resolver {
  readonly #file: string;
  readonly #stopping = new AbortController();
  #child: Child | undefined;
  #supervised: Promise<void> | undefined;
  #lists = '';
  /** Times that it ended by itself. */
  crashes = 0;

  constructor(
    private readonly run: Run,
    private readonly options: ResolverOptions,
    private readonly timing: Timing,
  ) {
    this.#file = join(options.folder, 'unbound.conf');
  }

  get running(): boolean {
    return this.#child?.running ?? false;
  }

  /**
   * Writes its configuration and starts it; from then on it is started again whenever it ends. When it runs already: has it
   * read the lists anew if one of them has changed.
   *
   * @throws {Error} when a list cannot be read; {CommandError} when unbound refuses the configuration
   */
  async ensure(): Promise<void> {
    if (this.#supervised === undefined) {
      await this.#configure();
      await this.run('unbound-checkconf', [this.#file]);
      this.#supervised ??= this.#supervise();
      return;
    }
    if ((await this.#fingerprint()) === this.#lists) return;
    await this.#configure();
    const child = this.#child;
    this.#child = undefined;
    await child?.stop();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#child?.stop();
    await this.#supervised;
  }

  async #supervise(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      // This agent's right to administer the network is not for a program that reads what strangers send.
      const child = new Child('setpriv', ['--inh-caps=-all', '--ambient-caps=-all', 'unbound', '-c', this.#file]);
      this.#child = child;
      await child.ended;
      if (this.#child !== child || signal.aborted) continue;
      this.crashes += 1;
      await this.timing.sleep(1_000, signal);
    }
  }

  async #configure(): Promise<void> {
    const { tunnel, folder, lists, forwardTo, blockedNetworks } = this.options;
    await mkdir(folder, { recursive: true, mode: 0o755 });
    this.#lists = await this.#fingerprint();
    const seen = new Set<string>();
    const zoneFiles: string[] = [];
    for (const mark of ['ads', 'more'] as const) {
      const list = lists[mark];
      if (list !== undefined) zoneFiles.push(await writeZones(join(folder, `${mark}.conf`), list, mark, seen));
    }
    const config = unboundConfig({
      tunnel,
      port: resolverPort,
      zoneFiles,
      forwardTo,
      blockedNetworks,
      // Whoever is asked instead has validated.
      trustAnchor: forwardTo.length > 0 ? undefined : rootKeys.find((path) => existsSync(path)),
      user: process.getuid?.() === 0 ? 'unbound' : '',
    });
    await writeFile(this.#file, config, { mode: 0o644 });
  }

  async #fingerprint(): Promise<string> {
    const files = Object.values(this.options.lists);
    const stats = await Promise.all(files.map((file) => stat(file).catch(() => unreadable(file))));
    return stats.map(({ mtimeMs, size, ino }) => [mtimeMs, size, ino].join()).join(' ');
  }
}

function unreadable(file: string): never {
  throw new Error(`the block list ${file} cannot be read`);
}

/** A name on two lists belongs to the first: who blocks trackers blocks ads as well. */
async function writeZones(path: string, list: string, mark: Mark, seen: Set<string>): Promise<string> {
  const file = await open(path, 'w', 0o644);
  try {
    let chunk = '';
    for await (const name of readBlockList(list)) {
      if (seen.has(name)) continue;
      seen.add(name);
      chunk += blockedZone(name, mark);
      if (chunk.length < 65_536) continue;
      await file.write(chunk);
      chunk = '';
    }
    await file.write(chunk);
  } finally {
    await file.close();
  }
  return path;
}
