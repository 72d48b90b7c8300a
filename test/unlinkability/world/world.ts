import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { currentKey, directoryPath, parseDirectory } from '@vpn-backend/client';
import { type Evidence } from '../evidence.js';
import { type Problem } from '../trace.js';
import { Device } from './device.js';
import { type Fleet, startFleet } from './fleet.js';
import { Days, Habits } from './habits.js';
import { identifiersOf } from './identifiers.js';
import { MetricsWatch } from './metrics-watch.js';
import { noPlanting, type Planting, startPlanting } from './planting.js';
import { drawPopulation } from './population.js';
import { problemsOf } from './problems.js';
import { type Act, Schedule } from './schedule.js';
import { seizeStacks } from './seize.js';
import { hourMs, ServiceClock } from './service-clock.js';
import { type Shape, type Stacks, startStacks } from './stacks.js';
import { StoreExpiry } from './store-expiry.js';

export interface WorldOptions {
  readonly shape: Shape;
  /** Decides who the users are and when they act. */
  readonly seed: number;
  /** Plants leaks that an adversary must find. */
  readonly plants?: boolean;
  /** The share of the 370 users of a whole world. */
  readonly scale?: number;
}

/** Acts run at once. */
const concurrency = 4;

/** An act may last so long before the clock jumps on. A user who opens the app is connected within minutes. */
const maxActMs = 2 * 60_000;

/** Starts the service with its stores and nodes. Stop it, also when `live` fails. */
export async function startWorld(options: WorldOptions): Promise<World> {
  const { shape, plants = false } = options;
  const clock = new ServiceClock();
  const stacks = await startStacks({ shape, clock, plants });
  const stops = [() => stacks.stop()];
  try {
    const fleet = await startFleet(stacks.network, clock);
    stops.unshift(() => fleet.stop());
    const planting = plants ? await startPlanting(stacks) : noPlanting;
    stops.unshift(() => planting.stop());
    return new World(options, { clock, stacks, fleet, planting });
  } catch (error) {
    await stopAll(stops);
    throw error;
  }
}

/** One after the other, also when one fails. */
async function stopAll(stops: readonly (() => Promise<void>)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const stop of stops) await stop().catch((error: unknown) => errors.push(error));
  if (errors.length > 0) throw new AggregateError(errors, 'Parts of the world did not stop.');
}

interface WorldParts {
  readonly clock: ServiceClock;
  readonly stacks: Stacks;
  readonly fleet: Fleet;
  readonly planting: Planting;
}

/** Real stacks, nodes and clients that live through four simulated days. What is left is the adversary's evidence. */
export class World {
  readonly clock: ServiceClock;
  readonly stacks: Stacks;
  readonly devices: readonly Device[];
  /** How many acts there were. */
  acts = 0;
  private readonly days: Days;
  private readonly schedule = new Schedule();
  private readonly running = new Map<Promise<void>, number>();
  private readonly metrics: MetricsWatch;
  private readonly expiry: StoreExpiry;
  private readonly folder = mkdtempSync(join(tmpdir(), 'unlinkability-'));

  constructor(
    { seed, scale = 1 }: WorldOptions,
    private readonly parts: WorldParts,
  ) {
    const { clock, stacks } = parts;
    this.clock = clock;
    this.stacks = stacks;
    this.days = new Days(clock.start);
    this.metrics = new MetricsWatch(stacks.all, clock);
    this.expiry = new StoreExpiry(stacks, clock);
    const [gatekeeperUrl, anonymizerUrl] = [stacks.identity.service.url, stacks.network.service.url];
    this.devices = drawPopulation(String(seed), scale).map(
      (user) =>
        new Device({
          user,
          gatekeeperUrl,
          anonymizerUrl,
          firebase: stacks.firebase,
          clock,
          afterAct: ({ uid, connections }) => parts.planting.noteAddress(user, uid, connections),
        }),
    );
  }

  /** All users act. Ends an hour after the last act. */
  async live(): Promise<void> {
    for (const device of this.devices) new Habits(device, this.schedule, this.days).begin();
    this.metrics.start();
    try {
      const { start, end } = this.days;
      // Before the first act, so that each side has read what the other one publishes.
      await this.runJobs(start + hourMs / 4);
      for (let jobTime = start; jobTime < end;) {
        jobTime = this.days.nextJobTime(jobTime);
        await this.actUntil(jobTime);
        await this.runJobs(jobTime);
      }
      await this.runJobs(end + hourMs);
    } finally {
      await this.metrics.stop();
    }
  }

  /** Everything that is left. */
  async seize(): Promise<Evidence> {
    await this.expiry.expireKeys();
    const left = await seizeStacks(this.stacks, this.folder, ({ role }) => this.metrics.of(role));
    const names = await identifiersOf(this.devices, this.stacks, this.days);
    return { ...left, ...names, toServiceTime: (ms) => this.clock.toServiceTime(ms) };
  }

  problems(): Problem[] {
    const connections = this.devices.flatMap((device) => device.connections);
    return problemsOf(
      this.devices.map(({ user }) => user),
      connections,
      this.days,
    );
  }

  async stop(): Promise<void> {
    rmSync(this.folder, { recursive: true, force: true });
    const { planting, fleet } = this.parts;
    const stops = [this.expiry, planting, fleet, this.stacks].map((part) => () => part.stop());
    await stopAll(stops);
  }

  /** Moves the clock and lets the service do everything that has come due. No user acts meanwhile. */
  private async runJobs(time: number): Promise<void> {
    await this.clock.moveTo(time);
    await this.parts.fleet.pulseUntil(this.days.nextJobTime(time));
    for (const { control } of this.stacks.all) await control.runDueTimers();
    await this.expiry.purgeTombstones();
    await this.parts.planting.renew();
    for (const { service } of this.stacks.all) await this.whenIssuing(service.url);
  }

  /** Waits until a process is ready and its directory lists a key of today. */
  private async whenIssuing(url: string): Promise<void> {
    const deadline = Date.now() + 20_000;
    for (;;) {
      const [health, directory] = await Promise.all([fetch(`${url}/health/ready`), fetch(`${url}${directoryPath}`)]);
      const { status, down } = (await health.json()) as { status: string; down: string[] };
      if ((await this.hasCurrentKey(await directory.json())) && status === 'ready') return;
      if (Date.now() > deadline)
        throw new Error(`The service is ${status}, without ${down.join() || 'a key of today'}.`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  private async hasCurrentKey(directory: unknown): Promise<boolean> {
    try {
      currentKey(await parseDirectory(directory), this.clock.now().getTime());
      return true;
    } catch {
      return false;
    }
  }

  private async actUntil(time: number): Promise<void> {
    await Promise.all(Array.from({ length: concurrency }, () => this.actInTurn(time)));
  }

  private async actInTurn(time: number): Promise<void> {
    for (let act = this.schedule.takeBefore(time); act !== undefined; act = this.schedule.takeBefore(time)) {
      const ended = this.perform(act);
      this.running.set(ended, act.at);
      await ended.finally(() => this.running.delete(ended)).catch((error: unknown) => this.giveUp(error));
    }
  }

  /** The acts that run at the same time still end. */
  private giveUp(error: unknown): never {
    this.schedule.clear();
    throw error;
  }

  private async perform({ at, run }: Act): Promise<void> {
    await this.whenNoActBeganBefore(at - maxActMs);
    await this.clock.moveTo(at);
    await run();
    this.acts++;
  }

  private async whenNoActBeganBefore(time: number): Promise<void> {
    for (;;) {
      const old = [...this.running].filter(([, began]) => began < time).map(([ended]) => ended);
      if (old.length === 0) return;
      await Promise.allSettled(old);
    }
  }
}
