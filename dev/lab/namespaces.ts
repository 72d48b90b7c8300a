import { type ChildProcess, execFile, spawn, type SpawnOptions } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** A machine with its own network: a network namespace. It is removed when the lab ends (enter.sh). */
export interface Namespace {
  readonly name: string;
  /** @returns the program's standard output */
  run(program: string, ...args: string[]): Promise<string>;
  /** Without a shell, so the child's pid is the program's. */
  spawn(program: string, args: readonly string[], options?: SpawnOptions): ChildProcess;
}

/** Creates a namespace. An earlier one with this name is removed first, with all its processes. */
export async function addNamespace(name: string): Promise<Namespace> {
  await removeNamespace(name);
  await execute('ip', ['netns', 'add', name]);
  await execute('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
  const enter = (program: string, args: readonly string[]) => ['netns', 'exec', name, program, ...args];
  return {
    name,
    run: async (program, ...args) => (await execute('ip', enter(program, args))).stdout,
    spawn: (program, args, options = {}) => spawn('ip', enter(program, args), options),
  };
}

/** An unknown name is no error. */
async function removeNamespace(name: string): Promise<void> {
  const { stdout: list } = await execute('ip', ['netns', 'list']);
  if (!list.split('\n').some((line) => line.split(' ')[0] === name)) return;
  // Waits for their end: a wireguard-go that is ending still has the socket that the next one of its name needs.
  for (let pids = await pidsIn(name); pids.length > 0; pids = await pidsIn(name)) {
    for (const pid of pids) kill(pid);
    await setTimeout(20);
  }
  await execute('ip', ['netns', 'delete', name]);
}

async function pidsIn(name: string): Promise<number[]> {
  const { stdout } = await execute('ip', ['netns', 'pids', name]);
  return stdout.split('\n').flatMap((line) => (line === '' ? [] : [Number(line)]));
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // The process has already ended.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

export interface LinkEnd {
  /** Undefined for the namespace of this process. */
  readonly of: Namespace | undefined;
  readonly device: string;
  /** With prefix lengths. */
  readonly addresses: readonly string[];
}

/** Connects two machines. First removes devices of these names, which the kernel may not have deleted yet. */
export async function connect(a: LinkEnd, b: LinkEnd): Promise<void> {
  for (const { of, device } of [a, b]) {
    if (await hasDevice(of, device)) await ip(of, 'link', 'delete', device);
  }
  const place = ({ device, of }: LinkEnd) => [device, ...(of === undefined ? [] : ['netns', of.name])];
  // Without a namespace, the device is created in the namespace of the command.
  await execute('ip', ['link', 'add', ...place(a), 'type', 'veth', 'peer', 'name', ...place(b)]);
  for (const end of [a, b]) {
    for (const address of end.addresses) {
      await ip(end.of, 'address', 'add', address, 'dev', end.device, ...(address.includes(':') ? ['nodad'] : []));
    }
    await ip(end.of, 'link', 'set', end.device, 'up');
  }
}

async function hasDevice(of: Namespace | undefined, device: string): Promise<boolean> {
  const { stdout } = await execute('ip', [...(of === undefined ? [] : ['-n', of.name]), '-o', 'link', 'show']);
  return stdout.split('\n').some((line) => line.split(/:\s|@/)[1] === device);
}

/** Runs ip(8) in a namespace, or in that of this process. */
export async function ip(of: Namespace | undefined, ...args: string[]): Promise<void> {
  await execute('ip', [...(of === undefined ? [] : ['-n', of.name]), ...args]);
}
