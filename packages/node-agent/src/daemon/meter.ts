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

/** Counters of the kernel. */
export interface Counters {
  /** Milliseconds, summed over all processors: busy time, and all time. */
  readonly busyMs: number;
  readonly totalMs: number;
  /** Bytes by interface. */
  readonly traffic: ReadonlyMap<string, { readonly rx: number; readonly tx: number }>;
  /** Milliseconds of a monotonic clock. */
  readonly at: number;
}

/** Load is the highest utilisation of processor, link and capacity. */
export class NodeMeter implements Meter {
  #last: Counters;
  /** The part of the tunnel interface's counters that is already reported. */
  #reported: { rx: number; tx: number };

  constructor(
    private readonly options: NodeMeterOptions,
    private readonly takeCounters: () => Counters = readCounters,
  ) {
    this.#last = takeCounters();
    this.#reported = this.#tunnelTraffic(this.#last);
  }

  read(): Reading {
    const { peers, capacity } = this.options;
    const [before, now] = [this.#last, this.takeCounters()];
    this.#last = now;
    const tunnel = this.#tunnelTraffic(now);
    return {
      load: Math.max(cpuLoad(before, now), this.#linkLoad(before, now), (100 * peers()) / capacity),
      rxBytes: increase(this.#reported.rx, tunnel.rx),
      txBytes: increase(this.#reported.tx, tunnel.tx),
    };
  }

  markReported(): void {
    this.#reported = this.#tunnelTraffic(this.#last);
  }

  /** Links are full duplex: the busier direction counts. */
  #linkLoad(before: Counters, now: Counters): number {
    const { uplink, linkMbit } = this.options;
    const [a, b] = [before.traffic.get(uplink), now.traffic.get(uplink)];
    const seconds = (now.at - before.at) / 1000;
    if (a === undefined || b === undefined || seconds <= 0) return 0;
    const bits = 8 * Math.max(increase(a.rx, b.rx), increase(a.tx, b.tx));
    return (100 * bits) / (seconds * linkMbit * 1e6);
  }

  #tunnelTraffic({ traffic }: Counters): { rx: number; tx: number } {
    return traffic.get(this.options.interfaceName) ?? { rx: 0, tx: 0 };
  }
}

function cpuLoad(before: Counters, now: Counters): number {
  const total = now.totalMs - before.totalMs;
  return total <= 0 ? 0 : (100 * (now.busyMs - before.busyMs)) / total;
}

/** A re-created interface counts from zero. */
function increase(before: number, now: number): number {
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
