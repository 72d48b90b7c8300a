import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { removeWithThisProcess } from './reaper.js';
import { identify, isAlive, type ProcessIdentity, signal, waitForEnd } from './process-identity.js';

interface Claim {
  readonly launcher: ProcessIdentity;
  readonly servers: readonly ProcessIdentity[];
}

const uid = process.getuid?.() ?? 0;

/**
 * A folder that one launcher claims while its servers run. It records their processes, so that the next launcher can end the
 * servers of a killed one.
 */
export class DataFolder {
  private servers: readonly ProcessIdentity[] = [];

  private constructor(
    readonly path: string,
    readonly ephemeral: boolean,
  ) {}

  /** @throws {Error} when another stack is running on it. */
  static async claim(path: string): Promise<DataFolder> {
    const folder = resolve(path);
    fs.mkdirSync(folder, { recursive: true, mode: 0o755 });
    await takeOver(folder);
    removeOrphanedDatabases();
    return new DataFolder(folder, false);
  }

  /** Creates a folder that `release` removes. First removes the folders of killed runs. */
  static async ephemeral(): Promise<DataFolder> {
    const parent = sharedFolder();
    await Promise.all(fs.globSync('run-*', { cwd: parent }).map((name) => removeAbandoned(join(parent, name))));
    const folder = join(parent, `run-${randomBytes(8).toString('hex')}`);
    fs.mkdirSync(folder);
    fs.chmodSync(folder, 0o755);
    await takeOver(folder);
    removeWithThisProcess(folder);
    return new DataFolder(folder, true);
  }

  /** Records a process that this launcher started. @returns undefined when it has already ended */
  adopt(pid: number): ProcessIdentity | undefined {
    try {
      const server = identify(pid);
      this.add(server);
      return server;
    } catch {
      return undefined;
    }
  }

  private add(server: ProcessIdentity): void {
    this.servers = [...this.servers.filter(isAlive), server];
    const draft = join(this.path, `claim.${process.pid}.tmp`);
    writeClaim(draft, this.servers);
    fs.renameSync(draft, join(this.path, 'claim.json'));
  }

  release(): void {
    if (this.ephemeral) fs.rmSync(this.path, { recursive: true, force: true });
    else fs.rmSync(join(this.path, 'claim.json'), { force: true });
  }
}

function writeClaim(path: string, servers: readonly ProcessIdentity[]): void {
  const claim: Claim = { launcher: identify(process.pid), servers };
  fs.writeFileSync(path, JSON.stringify(claim), { mode: 0o600 });
}

function readClaim(path: string): Claim | undefined {
  try {
    return JSON.parse(fs.readFileSync(path, 'utf8')) as Claim;
  } catch {
    return undefined;
  }
}

async function takeOver(folder: string): Promise<void> {
  const path = join(folder, 'claim.json');
  const draft = join(folder, `claim.${process.pid}.tmp`);
  const former = readClaim(path);
  if (former) {
    if (isAlive(former.launcher)) {
      throw new Error(
        `Another stack (process ${former.launcher.pid}) is running on ${folder}. Stop it, or set DATA_DIR to another folder.`,
      );
    }
    await stopAll(former.servers);
    fs.rmSync(path, { force: true });
  }
  writeClaim(draft, []);
  try {
    // Unlike rename, link fails when another launcher was faster.
    fs.linkSync(draft, path);
  } catch (error) {
    throw new Error(`Another stack has just started on ${folder}.`, { cause: error });
  } finally {
    fs.rmSync(draft);
  }
}

async function stopAll(servers: readonly ProcessIdentity[]): Promise<void> {
  await Promise.all(
    servers.map(async (server) => {
      signal(server, 'SIGINT');
      if (!(await waitForEnd(server, 5_000))) signal(server, 'SIGKILL');
      await waitForEnd(server, 5_000);
    }),
  );
}

async function removeAbandoned(folder: string): Promise<void> {
  const claim = readClaim(join(folder, 'claim.json'));
  // A folder without a claim may be one that another run is just creating.
  const ageMs = Date.now() - (fs.statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? Infinity);
  if (claim ? isAlive(claim.launcher) : ageMs < 60_000) return;
  claim?.servers.forEach((server) => signal(server, 'SIGKILL'));
  await Promise.all(claim?.servers.map((server) => waitForEnd(server, 5_000)) ?? []);
  fs.rmSync(folder, { recursive: true, force: true });
}

/** A file beside a database outside its data folder. It contains the path of that folder. */
export const originFile = 'origin';

/** Removes databases outside their data folders whose folders were deleted. */
function removeOrphanedDatabases(): void {
  for (const path of fs.globSync(join(sharedFolder(), 'data-*', originFile))) {
    if (!fs.existsSync(fs.readFileSync(path, 'utf8'))) fs.rmSync(dirname(path), { recursive: true, force: true });
  }
}

/** A folder of this user that every user can enter, for files that PostgreSQL's user must read. */
export function sharedFolder(): string {
  const folder = join(fs.existsSync('/var/tmp') ? '/var/tmp' : tmpdir(), `vpn-backend-${uid}`);
  fs.mkdirSync(folder, { recursive: true, mode: 0o755 });
  const found = fs.lstatSync(folder);
  if (found.uid !== uid || !found.isDirectory()) {
    throw new Error(`${folder} must be a folder that this user owns. Remove it and start again.`);
  }
  fs.chmodSync(folder, 0o755);
  return folder;
}

export function everyoneCanEnter(path: string): boolean {
  const parent = dirname(path);
  const open = (fs.statSync(path).mode & 0o001) !== 0;
  return open && (parent === path || everyoneCanEnter(parent));
}

/**
 * The folder of a data folder's database. PostgreSQL refuses to run as root, so root runs it as another user. That user cannot
 * enter a folder below a private one such as /root; then the database is in root's folder below /var/tmp.
 */
export function databaseFolder(dataFolder: string): string {
  if (uid !== 0 || everyoneCanEnter(dataFolder)) return join(dataFolder, 'postgres');
  const name = createHash('sha256').update(dataFolder).digest('hex').slice(0, 16);
  return join(sharedFolder(), `data-${name}`);
}
