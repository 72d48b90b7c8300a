import { type Replica, type Settings, type World } from './world.js';

/** Starts replicas ahead, so that a test that kills one after the other seldom waits for the next. */
export class Reserve {
  private readonly starting: Promise<Replica>[];

  constructor(
    private readonly world: World,
    private readonly settings: Settings = {},
    ahead = 2,
  ) {
    this.starting = Array.from({ length: ahead }, () => this.start());
  }

  async take(): Promise<Replica> {
    this.starting.push(this.start());
    const next = this.starting.shift();
    if (next === undefined) throw new Error('nothing was started');
    return next;
  }

  /** Nothing starts any more. */
  async stop(): Promise<void> {
    const all = await Promise.all(this.starting.splice(0));
    await Promise.all(all.map((replica) => replica.kill()));
  }

  private start(): Promise<Replica> {
    const replica = this.world.replica(this.settings);
    // Whoever takes it is told.
    replica.catch(() => undefined);
    return replica;
  }
}
