import { vi } from 'vitest';
import { MemoryDriver } from '../src/peer-driver.js';
import { type EnrolOptions, NodeAgent } from '../src/node-agent.js';
import { FakeBackend, wirePeer } from './fake-backend.js';
import { ManualTiming } from './manual-timing.js';

const node = { publicKey: 'node-key', ip: '192.0.2.1', locationId: 'de-frankfurt', capacity: 100 };

/** An agent with a fake backend on a real socket, a driver in memory and a manual clock. */
export class Harness {
  readonly driver = new MemoryDriver();
  readonly timing = new ManualTiming();
  readonly node = node;
  readonly #running: NodeAgent[] = [];

  private constructor(readonly backend: FakeBackend) {}

  static async start(): Promise<Harness> {
    return new Harness(await FakeBackend.start());
  }

  async stop(): Promise<void> {
    await Promise.all(this.#running.map((agent) => agent.stop()));
    await this.backend.stop();
  }

  async enrol(options: Partial<EnrolOptions> = {}): Promise<NodeAgent> {
    const { backend, driver, timing } = this;
    const enrolment = { backendUrl: backend.url, enrolmentToken: 'enrolment-token', node };
    return NodeAgent.enrol({ ...enrolment, driver, timing, ...options });
  }

  /** An agent that has applied its first snapshot. */
  async synced(options: Partial<EnrolOptions> = {}): Promise<NodeAgent> {
    const agent = await this.enrol(options);
    this.#running.push(agent);
    agent.start();
    await agent.whenSynced();
    return agent;
  }

  async driverKeys(): Promise<string[]> {
    return (await this.driver.list()).map(({ publicKey }) => publicKey).toSorted();
  }

  /** Advances the clock, with a heartbeat every ten seconds that keeps the stream open. */
  async passTime(seconds: number): Promise<void> {
    for (let passed = 0; passed < seconds; passed += 10) {
      this.backend.send('heartbeat', {});
      // The heartbeat needs real time to arrive.
      await new Promise((resolve) => setTimeout(resolve, 5));
      await this.timing.advance(Math.min(10, seconds - passed) * 1000);
    }
  }

  /** Advances the clock in steps until the check passes. */
  advanceUntil(check: () => unknown, stepMs = 250): Promise<unknown> {
    return until(async () => {
      await this.timing.advance(stepMs);
      return check();
    });
  }
}

export function keysOf(...numbers: number[]): string[] {
  return numbers.map((number) => wirePeer(number).public_key).toSorted();
}

export function until(check: () => unknown): Promise<unknown> {
  return vi.waitFor(check, { timeout: 30_000, interval: 5 });
}
