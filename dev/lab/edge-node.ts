import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { type NodeAgentStatus } from 'vpn-node-agent';
import { type Machine } from './internet.js';

/** An unprivileged user id: its processes have only the capability that they are given. */
const agentUser = '64999';

const project = '/var/tmp/project';
const node = `${project}/node_modules/.bin/node`;
const program = `${project}/packages/node-agent/dist/main.js`;
const movableClock = `${project}/dist/dev/lab/movable-clock.js`;

export interface EdgeNodeOptions {
  readonly machine: Machine;
  readonly backendUrl: string;
  readonly enrolmentToken: string;
  readonly locationId: string;
  /** The name of the tunnel interface. It must be unique, because all machines of the lab share /run/wireguard. */
  readonly device: string;
  /** Settings of the agent that override the lab's. */
  readonly settings?: Readonly<Record<string, string>>;
}

export type EdgeNodeStatus = NodeAgentStatus & { node: string; hostUp: boolean; resolverUp: boolean };

/** A node of the lab: the real agent, in its own process, as a user whose only capability is CAP_NET_ADMIN. */
export class EdgeNode {
  #child: ChildProcess | undefined;
  readonly #lines: string[] = [];
  readonly folder: string;

  private constructor(
    readonly machine: Machine,
    readonly device: string,
  ) {
    this.folder = `/var/tmp/${machine.name}`;
  }

  static async start({ settings = {}, ...options }: EdgeNodeOptions): Promise<EdgeNode> {
    const { machine, device } = options;
    const edge = new EdgeNode(machine, device);
    // A machine of an earlier test may have had this name.
    await rm(edge.folder, { recursive: true, force: true });
    await mkdir(edge.folder, { mode: 0o755 });
    await machine.run('chown', agentUser, edge.folder);
    const lines = Object.entries({
      BACKEND_URL: options.backendUrl,
      ALLOW_HTTP: 'true',
      ENROLMENT_TOKEN: options.enrolmentToken,
      LOCATION_ID: options.locationId,
      PUBLIC_IP: machine.v4,
      PUBLIC_IP_V6: machine.v6,
      INTERFACE: device,
      UPLINK: 'eth0',
      STATE_DIR: `${edge.folder}/state`,
      RUNTIME_DIR: `${edge.folder}/run`,
      ...settings,
    }).map(([key, value]) => `VPN_NODE_${key}=${value}\n`);
    await writeFile(edge.#configFile, lines.join(''), { mode: 0o644 });
    await edge.restart();
    return edge;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** The output of all its agents. */
  log(): string {
    return this.#lines.join('');
  }

  /** Starts an agent. Resolves when it is serving. */
  async restart(): Promise<void> {
    const child = this.machine.spawn(
      'setpriv',
      [
        ...['--reuid', agentUser, '--regid', agentUser, '--clear-groups', '--no-new-privs'],
        ...['--inh-caps=-all,+net_admin', '--ambient-caps=-all,+net_admin', '--bounding-set=-all,+net_admin'],
        ...[node, '--import', movableClock, program, 'run', '--config', this.#configFile],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH, ...(await unitEnvironment()) } },
    );
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => this.#lines.push(chunk.toString()));
    }
    for (;;) {
      const status = await this.status();
      if (status?.lastSyncAt !== undefined && status.nodeStatus !== undefined) return;
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the agent ended:\n${this.log()}`);
      await setTimeout(50);
    }
  }

  /** The output of `vpn-node-agent status --json`; undefined when no agent is running. */
  async status(): Promise<EdgeNodeStatus | undefined> {
    const answer = await this.command('status', '--json').catch(() => undefined);
    return answer === undefined ? undefined : (JSON.parse(answer) as EdgeNodeStatus);
  }

  /** Runs a command of `vpn-node-agent` as the agent's user. */
  async command(...args: string[]): Promise<string> {
    const as = ['--reuid', agentUser, '--regid', agentUser, '--clear-groups'];
    return this.machine.run('setpriv', ...as, node, program, ...args, '--config', this.#configFile);
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** Waits until the agent has ended. @returns its exit code */
  async ended(): Promise<number | null> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const [code] = (await once(child, 'exit')) as [number | null];
    return code;
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.ended();
  }

  get #configFile(): string {
    return `${this.folder}/node.env`;
  }
}

/** The environment of the shipped systemd unit, for example its memory settings. */
async function unitEnvironment(): Promise<Record<string, string>> {
  const unit = await readFile('deploy/node/vpn-node-agent.service', 'utf8');
  const words = [...unit.matchAll(/^Environment=(.*)$/gm)].flatMap(([, line = '']) => line.split(' '));
  return Object.fromEntries(words.map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]));
}
