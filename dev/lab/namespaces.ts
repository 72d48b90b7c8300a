import { type ChildProcess, execFile, spawn, type SpawnOptions } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** A machine with a network of its own. It goes with the lab (enter.sh). */
export interface Namespace {
  readonly name: string;
  /** @returns what the program printed */
  run(program: string, ...args: string[]): Promise<string>;
  /** Not through a shell: the child's pid is the program's. */
  spawn(program: string, args: readonly string[], options?: SpawnOptions): ChildProcess;
}

export async function addNamespace(name: string): Promise<Namespace> {
  await execute('ip', ['netns', 'add', name]);
  await execute('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
  const enter = (program: string, args: readonly string[]) => ['netns', 'exec', name, program, ...args];
  return {
    name,
    run: async (program, ...args) => (await execute('ip', enter(program, args))).stdout,
    spawn: (program, args, options = {}) => spawn('ip', enter(program, args), options),
  };
}

export interface End {
  /** Undefined: the namespace of this process. */
  readonly of: Namespace | undefined;
  readonly device: string;
  /** With prefix lengths. */
  readonly addresses: readonly string[];
}

/** A cable between two machines. */
export async function connect(a: End, b: End): Promise<void> {
  const place = ({ device, of }: End) => [device, ...(of === undefined ? [] : ['netns', of.name])];
  // Without a name for its own namespace, a device is made where the command runs.
  await execute('ip', ['link', 'add', ...place(a), 'type', 'veth', 'peer', 'name', ...place(b)]);
  for (const end of [a, b]) {
    for (const address of end.addresses) {
      await ip(end.of, 'address', 'add', address, 'dev', end.device, ...(address.includes(':') ? ['nodad'] : []));
    }
    await ip(end.of, 'link', 'set', end.device, 'up');
  }
}

/** ip(8) in a namespace, or in that of this process. */
export async function ip(of: Namespace | undefined, ...args: string[]): Promise<void> {
  await execute('ip', [...(of === undefined ? [] : ['-n', of.name]), ...args]);
}
