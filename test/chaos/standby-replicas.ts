import { type Cluster, type Replica, type Settings } from './cluster.js';

/** Starts replicas in advance, so that a test that kills one replica after the other rarely waits for the next to start. */
export class StandbyReplicas {
  private readonly replicas: Promise<Replica>[];

  constructor(
    private readonly cluster: Cluster,
    private readonly settings: Settings = {},
    count = 2,
  ) {
    this.replicas = Array.from({ length: count }, () => this.start());
  }

  /** Hands over the oldest standby replica and starts another one. */
  async take(): Promise<Replica> {
    this.replicas.push(this.start());
    const next = this.replicas.shift();
    if (next === undefined) throw new Error('no standby replica');
    return next;
  }

  /** Kills the replicas that no test has taken. */
  async stop(): Promise<void> {
    const all = await Promise.all(this.replicas.splice(0));
    await Promise.all(all.map((replica) => replica.kill()));
  }

  private start(): Promise<Replica> {
    const replica = this.cluster.startReplica(this.settings);
    // `take` and `stop` report a failed start. Until then, it must not end the test run as an unhandled rejection.
    replica.catch(() => undefined);
    return replica;
  }
}
