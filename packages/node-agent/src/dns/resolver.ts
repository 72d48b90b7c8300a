import { existsSync } from 'node:fs';
import { mkdir, open, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Child } from '../child.js';
import { type Run } from '../command.js';
import { resolverPort } from '../host/firewall.js';
import { type Tunnel } from '../protocol.js';
import { type Timing } from '../timing.js';
import { readBlockList } from './block-list.js';
import { blockedZone, type BlockTag, blockTags, unboundConfig } from './unbound-config.js';

export interface ResolverOptions {
  readonly tunnel: Tunnel;
  /** A folder of this agent alone. Its files are not secret. */
  readonly folder: string;
  /** Paths of the operator's block lists. Without a list, its level blocks nothing. */
  readonly lists: Readonly<Partial<Record<BlockTag, string>>>;
  readonly forwardTo: readonly string[];
  /** Networks with prefix lengths that the resolver never queries. */
  readonly blockedNetworks: readonly string[];
}

const rootKeys = ['/usr/share/dns/root.key', '/var/lib/unbound/root.key'];

/** The node's resolver: an unbound process that runs with the agent's configuration while the agent runs. */
export class Resolver {
  readonly #file: string;
  readonly #stopping = new AbortController();
  #child: Child | undefined;
  #supervised: Promise<void> | undefined;
  #lists = '';
  /** How many times unbound ended unexpectedly. */
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
   * Writes the configuration and starts unbound, which is restarted whenever it ends. When it is running already and a block
   * list has changed, restarts it with the new lists.
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
      // Drops CAP_NET_ADMIN: unbound parses untrusted input.
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
    for (const tag of blockTags) {
      const list = lists[tag];
      if (list !== undefined) zoneFiles.push(await writeZones(join(folder, `${tag}.conf`), list, tag, seen));
    }
    const config = unboundConfig({
      tunnel,
      port: resolverPort,
      zoneFiles,
      forwardTo,
      blockedNetworks,
      // Resolvers that it forwards to validate themselves.
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

/** Skips names in `seen`: the level that blocks trackers and malware blocks ads too. */
async function writeZones(path: string, list: string, tag: BlockTag, seen: Set<string>): Promise<string> {
  const file = await open(path, 'w', 0o644);
  try {
    let chunk = '';
    for await (const name of readBlockList(list)) {
      if (seen.has(name)) continue;
      seen.add(name);
      chunk += blockedZone(name, tag);
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
