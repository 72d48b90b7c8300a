import { Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import { Clock } from '../platform/config/index.js';
import { AnonymizerLogger } from '../logger/index.js';
import { HealthStore } from './health.store.js';
import { isMassSilence } from './silence.js';

const massSilence = new Counter({
  name: 'nodes_mass_silence_checks_total',
  help: 'Health checks that found over 20 % of the nodes silent at once. Alert on any increase.',
});

/** Tells by their silence which nodes are away, and forgets those that are gone for good. */
@Injectable()
export class NodeHealthService {
  private alarmed = false;

  constructor(
    private readonly store: HealthStore,
    private readonly clock: Clock,
    private readonly logger: AnonymizerLogger,
  ) {}

  /**
   * Nodes silent for more than ten minutes of this service's own presence: their connections may end. None while over 20 %
   * of the nodes are silent at once.
   */
  async lostNodes(now: Date): Promise<string[]> {
    const hearing = await this.store.hear(now);
    return isMassSilence(hearing) ? [] : hearing.lost;
  }

  /** Marks silent nodes as unhealthy; raises the alarm when too many are silent at once. */
  async check(): Promise<void> {
    const now = this.clock.now();
    await this.store.markUnhealthy(now);
    const hearing = await this.store.hear(now);
    const alarm = isMassSilence(hearing);
    if (alarm) massSilence.inc();
    if (alarm && !this.alarmed) this.logger.error('nodes_mass_silence', undefined, { count: hearing.silent });
    this.alarmed = alarm;
  }

  /** Drops what is left of nodes that were retired long ago. */
  async forgetRetired(): Promise<void> {
    await this.store.forgetRetired(this.clock.now());
  }
}
