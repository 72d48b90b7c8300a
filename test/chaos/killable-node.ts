import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type DriverPeer, MemoryCredentialStore, NodeAgent } from 'vpn-node-agent';
import { wireguardKey } from '../support/fleet.js';
import { type AgentOptions, type DriverCall, type DriverReply } from './agent-process.js';
import { PausableDriver } from './pausable-driver.js';
import { type Cluster } from './cluster.js';

const program = fileURLToPath(new URL('./agent-process.ts', import.meta.url));

/** A node whose agent runs in its own process. When the agent is killed, the driver keeps its peers, as WireGuard does. */
export class KillableNode {
  driver = new PausableDriver();
  private process: ChildProcess | undefined;

  private constructor(private readonly options: AgentOptions) {}

  /** Enrols a node of a new location and starts its agent. */
  static async start(cluster: Cluster, backendUrl: string, location: string): Promise<KillableNode> {
    const enrolmentToken = await cluster.addLocation(location, 1);
    const store = new MemoryCredentialStore();
    const node = { publicKey: wireguardKey(), ip: '192.0.2.1', locationId: location, capacity: 60_000 };
    await NodeAgent.enrol({ backendUrl, enrolmentToken, node, credentials: store, driver: new PausableDriver() });
    const credentials = await store.load();
    if (credentials === undefined) throw new Error('the node was not enrolled');
    const killable = new KillableNode({ backendUrl, node, credentials });
    killable.startAgent();
    return killable;
  }

  startAgent(): void {
    // Without the Node flags of the test runner.
    const agent = fork(program, [JSON.stringify(this.options)], { execArgv: [], stdio: 'inherit' });
    agent.on('message', (call: DriverCall) => {
      void this.runDriverCall(call).then((peers) => {
        // Sending fails when the agent has just been killed, which is fine.
        agent.send({ id: call.id, peers } satisfies DriverReply, () => undefined);
      });
    });
    this.process = agent;
  }

  async killAgent(): Promise<void> {
    if (this.process === undefined) return;
    const ended = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    this.process = undefined;
    await ended;
  }

  /** Restarts the agent with a new driver, which has no peers, as after a restart of the machine. */
  async reboot(): Promise<void> {
    await this.killAgent();
    this.driver = new PausableDriver();
    this.startAgent();
  }

  private async runDriverCall({ operation, argument }: DriverCall): Promise<readonly DriverPeer[]> {
    if (operation === 'list') return this.driver.list();
    if (operation === 'apply') await this.driver.apply(argument as DriverPeer[]);
    if (operation === 'remove') await this.driver.remove(argument as string[]);
    return [];
  }
}
