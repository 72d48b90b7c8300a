import { describe, expect, it } from 'vitest';
import { type Counters, NodeMeter, parseTraffic } from './meter.js';

interface Moment {
  readonly busyMs?: number;
  readonly totalMs?: number;
  readonly uplink?: [rx: number, tx: number];
  readonly tunnel?: [rx: number, tx: number];
  readonly at?: number;
}

const counters = ({ busyMs = 0, totalMs = 0, uplink = [0, 0], tunnel, at = 0 }: Moment): Counters => ({
  busyMs,
  totalMs,
  at,
  traffic: new Map([
    ['eth0', { rx: uplink[0], tx: uplink[1] }],
    ...(tunnel ? [['vpn0', { rx: tunnel[0], tx: tunnel[1] }] as const] : []),
  ]),
});

/** A meter for a link of 100 Mbit/s and a capacity of ten peers, which reads these counters one after another. */
function meterOf(...moments: Moment[]) {
  const peers = { count: 0 };
  const left = moments.map(counters);
  const options = { interfaceName: 'vpn0', uplink: 'eth0', linkMbit: 100, capacity: 10, peers: () => peers.count };
  return { peers, meter: new NodeMeter(options, () => left.shift() ?? counters({})) };
}

describe('NodeMeter: load', () => {
  it('is the processor load when that is highest', () => {
    const { meter } = meterOf({}, { busyMs: 1_500, totalMs: 2_000, at: 1_000, uplink: [1_250_000, 0] });
    expect(meter.read().load).toBe(75);
  });

  it('is the load of the link’s busier direction when that is highest', () => {
    const { meter } = meterOf({ at: 0 }, { totalMs: 4_000, at: 2_000, uplink: [1_000_000, 20_000_000] });
    expect(meter.read().load).toBe(80);
  });

  it('is the used share of the capacity when that is highest', () => {
    const { meter, peers } = meterOf({}, { busyMs: 100, totalMs: 2_000, at: 1_000 });
    peers.count = 9;
    expect(meter.read().load).toBe(90);
  });

  it('covers the time since the last reading', () => {
    const { meter } = meterOf({}, { busyMs: 1_000, totalMs: 1_000, at: 1 }, { busyMs: 1_000, totalMs: 2_000, at: 2 });
    expect([meter.read().load, meter.read().load]).toEqual([100, 0]);
  });
});

describe('NodeMeter: traffic', () => {
  it('counts the tunnel’s bytes since the last reported reading', () => {
    const { meter } = meterOf(
      { tunnel: [100, 200] },
      { tunnel: [150, 300] },
      { tunnel: [160, 320] },
      { tunnel: [170, 330] },
    );
    expect(meter.read()).toMatchObject({ rxBytes: 50, txBytes: 100 });
    expect(meter.read()).toMatchObject({ rxBytes: 60, txBytes: 120 });
    meter.markReported();
    expect(meter.read()).toMatchObject({ rxBytes: 10, txBytes: 10 });
  });

  it('counts from zero after the interface was re-created', () => {
    const { meter } = meterOf({ tunnel: [100, 200] }, { tunnel: [30, 40] }, {});
    expect(meter.read()).toMatchObject({ rxBytes: 30, txBytes: 40 });
    expect(meter.read()).toMatchObject({ rxBytes: 0, txBytes: 0 });
  });

  it('is read from /proc/net/dev', () => {
    const table = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    1116      20    0    0    0     0          0         0     1116      20    0    0    0     0       0          0
  vpn0: 1234567     200    0    0    0     0          0         0 89101112     300    0    0    0     0       0          0
`;
    expect(parseTraffic(table).get('vpn0')).toEqual({ rx: 1_234_567, tx: 89_101_112 });
  });
});
