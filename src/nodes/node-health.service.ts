import { Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import { Clock } from '../platform/config/index.js';
import { AnonymizerLogger } from '../logger/index.js';
import { HealthStore } from './health.store.js';
import { isMassSilence } from './liveness.js';

const massSilence = new Counter({
  name: 'nodes_mass_silence_checks_total',
  help: 'Health checks that found more than 20 % of the nodes silent at once. Alert on any increase.',
});

/** Detects nodes that have stopped pulsing, and deletes nodes that were retired long ago. */
@Injectable()
export class NodeHealthService {
  private alarmed = false;

  constructor(
    private readonly store: HealthStore,
    private readonly clock: Clock,
    private readonly logger: AnonymizerLogger,
  ) {}

  /**
   * Ids of the nodes that have been silent for more than ten minutes while this service was running: their connections may be
   * ended. Empty during a mass silence; see `isMassSilence`.
   */
  async lostNodes(now: Date): Promise<string[]> {
    const liveness = await this.store.readLiveness(now);
    return isMassSilence(liveness) ? [] : liveness.lost;
  }

  /** Marks silent nodes as unhealthy, and logs an error when too many are silent at once. */
  async check(): Promise<void> {
    const now = this.clock.now();
    await this.store.markUnhealthy(now);
    const liveness = await this.store.readLiveness(now);
    const massSilent = isMassSilence(liveness);
    if (massSilent) massSilence.inc();
    if (massSilent && !this.alarmed) this.logger.error('nodes_mass_silence', undefined, { count: liveness.silent });
    this.alarmed = massSilent;
  }

  /** Deletes the rows of nodes that were retired long ago. */
  async deleteRetired(): Promise<void> {
    await this.store.deleteRetired(this.clock.now());
  }
}
