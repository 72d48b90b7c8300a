import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type DriverPeer, MemoryCredentialStore, NodeAgent } from 'vpn-node-agent';
import { wireguardKey } from '../support/fleet.js';
import { type AgentOrders, type DriverCall, type DriverReply } from './agent-process.js';
import { HeldDriver } from './held-driver.js';
import { type World } from './world.js';

const program = fileURLToPath(new URL('./agent-process.ts', import.meta.url));

/** A node whose agent is a process of its own; its WireGuard stays when that is killed. */
export class KillableNode {
  driver = new HeldDriver();
  private process: ChildProcess | undefined;

  private constructor(private readonly orders: AgentOrders) {}

  /** Enrols a node of a new location and starts its agent. */
  static async start(world: World, backendUrl: string, location: string): Promise<KillableNode> {
    const enrolmentToken = await world.openLocation(location, 1);
    const store = new MemoryCredentialStore();
    const node = { publicKey: wireguardKey(), ip: '192.0.2.1', locationId: location, capacity: 60_000 };
    await NodeAgent.enrol({ backendUrl, enrolmentToken, node, credentials: store, driver: new HeldDriver() });
    const credentials = await store.load();
    if (credentials === undefined) throw new Error('the node was not enrolled');
    const killable = new KillableNode({ backendUrl, node, credentials });
    killable.startAgent();
    return killable;
  }

  startAgent(): void {
    // Not with the flags of whoever runs the tests.
    const agent = fork(program, [JSON.stringify(this.orders)], { execArgv: [], stdio: 'inherit' });
    agent.on('message', (call: DriverCall) => {
      void this.perform(call).then((peers) => {
        // It may be killed in this very moment.
        agent.send({ call: call.call, peers } satisfies DriverReply, () => undefined);
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

  /** The machine starts anew: no peer is left. */
  async reboot(): Promise<void> {
    await this.killAgent();
    this.driver = new HeldDriver();
    this.startAgent();
  }

  private async perform({ deed, argument }: DriverCall): Promise<readonly DriverPeer[]> {
    if (deed === 'list') return this.driver.list();
    if (deed === 'apply') await this.driver.apply(argument as DriverPeer[]);
    if (deed === 'remove') await this.driver.remove(argument as string[]);
    return [];
  }
}
