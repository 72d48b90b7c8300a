import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { type Meter, type Reading } from '../meter.js';

export interface NodeMeterOptions {
  readonly interfaceName: string;
  readonly uplink: string;
  readonly linkMbit: number;
  readonly capacity: number;
  readonly peers: () => number;
}

/** What the kernel has counted. */
export interface Counters {
  /** Milliseconds that all processors together were busy, and were there. */
  readonly busyMs: number;
  readonly totalMs: number;
  /** Bytes by interface. */
  readonly traffic: ReadonlyMap<string, { readonly rx: number; readonly tx: number }>;
  /** Milliseconds of any clock that only goes forward. */
  readonly at: number;
}

/** Load is whatever is scarcest: processor, link, or places. */
export class NodeMeter implements Meter {
  #last: Counters;
  /** The tunnel's traffic that is reported, as counted since the interface was made. */
  #reported: { rx: number; tx: number };

  constructor(
    private readonly options: NodeMeterOptions,
    private readonly count: () => Counters = readCounters,
  ) {
    this.#last = count();
    this.#reported = this.#tunnelOf(this.#last);
  }

  read(): Reading {
    const { peers, capacity } = this.options;
    const [before, now] = [this.#last, this.count()];
    this.#last = now;
    const tunnel = this.#tunnelOf(now);
    return {
      load: Math.max(cpuLoad(before, now), this.#linkLoad(before, now), (100 * peers()) / capacity),
      rxBytes: grown(this.#reported.rx, tunnel.rx),
      txBytes: grown(this.#reported.tx, tunnel.tx),
    };
  }

  reported(): void {
    this.#reported = this.#tunnelOf(this.#last);
  }

  /** Links are full duplex: the busier direction counts. */
  #linkLoad(before: Counters, now: Counters): number {
    const { uplink, linkMbit } = this.options;
    const [a, b] = [before.traffic.get(uplink), now.traffic.get(uplink)];
    const seconds = (now.at - before.at) / 1000;
    if (a === undefined || b === undefined || seconds <= 0) return 0;
    const bits = 8 * Math.max(grown(a.rx, b.rx), grown(a.tx, b.tx));
    return (100 * bits) / (seconds * linkMbit * 1e6);
  }

  #tunnelOf({ traffic }: Counters): { rx: number; tx: number } {
    return traffic.get(this.options.interfaceName) ?? { rx: 0, tx: 0 };
  }
}

function cpuLoad(before: Counters, now: Counters): number {
  const total = now.totalMs - before.totalMs;
  return total <= 0 ? 0 : (100 * (now.busyMs - before.busyMs)) / total;
}

/** An interface that was made anew counts from zero. */
function grown(before: number, now: number): number {
  return now < before ? now : now - before;
}

function readCounters(): Counters {
  let [busyMs, totalMs] = [0, 0];
  for (const { times } of cpus()) {
    const all = times.user + times.nice + times.sys + times.irq + times.idle;
    totalMs += all;
    busyMs += all - times.idle;
  }
  return { busyMs, totalMs, traffic: parseTraffic(readFileSync('/proc/net/dev', 'utf8')), at: performance.now() };
}

/** /proc/net/dev: two lines of headings, then `name: rx_bytes … (8 columns) tx_bytes …`. */
export function parseTraffic(text: string): Counters['traffic'] {
  const lines = text.trimEnd().split('\n').slice(2);
  return new Map(
    lines.map((line) => {
      const [name = '', numbers = ''] = line.split(':');
      const columns = numbers.trim().split(/\s+/).map(Number);
      return [name.trim(), { rx: columns[0] ?? 0, tx: columns[8] ?? 0 }];
    }),
  );
}
