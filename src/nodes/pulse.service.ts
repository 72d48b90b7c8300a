import { Injectable } from '@nestjs/common';
import { Counter, Histogram } from 'prom-client';
import { Clock } from '../platform/config/index.js';
import { invalidNodeCredential } from './node-problems.js';
import { type NodePulse, type NodePulsed } from './node.schema.js';
import { NodeStore } from './node.store.js';
import { pulseSeconds } from './liveness.js';

const peersOfNode = new Histogram({
  name: 'node_peers',
  help: 'Peers per node, as reported in pulses.',
  buckets: [0, 10, 100, 1_000, 10_000, 30_000, 60_000],
});

const traffic = new Counter({
  name: 'node_traffic_bytes_total',
  help: 'Tunnel traffic of the whole fleet in bytes, as reported in pulses, by direction as seen from the nodes.',
  labelNames: ['direction'],
});

/** Processes the pulses of nodes. */
@Injectable()
export class PulseService {
  constructor(
    private readonly store: NodeStore,
    private readonly clock: Clock,
  ) {}

  async pulse(nodeId: string, pulse: NodePulse): Promise<NodePulsed> {
    const { currentLoad, accepting, peers, rx_bytes = 0, tx_bytes = 0 } = pulse;
    const status = await this.store.pulse(nodeId, Math.round(currentLoad), accepting, this.clock.now());
    if (status === undefined) throw invalidNodeCredential();
    if (peers !== undefined) peersOfNode.observe(peers);
    traffic.inc({ direction: 'received' }, rx_bytes);
    traffic.inc({ direction: 'sent' }, tx_bytes);
    return { status, next_pulse_s: pulseSeconds };
  }
}
