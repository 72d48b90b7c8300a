import { Injectable } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { GatekeeperLogger } from '../../logger/index.js';
import { Background, Repeater } from '../../platform/background/index.js';
import { Clock } from '../../platform/config/index.js';
import { IdentityJobs } from '../../platform/jobs/index.js';
import { PaymentProvider, type WebhookState } from '../../prisma/identity/index.js';
import { type InboxRow, InboxStore, syncTask } from './inbox.store.js';

const day = 86_400_000;
const keptDays = 30;
/** Somebody who deletes their account and goes on paying Apple makes another of these each month. */
const unclaimedDays = 180;
/** A pending event has a job; one that has none for so long lost it. */
const reviveAfterMs = 60_000;
/** The longest between two tries of a look-up: hours would outlast any provider's outage. */
const patienceSeconds = 300;
const measureMs = 15_000;

const events = new Gauge({
  name: 'payment_events',
  help: 'Events in the inbox that are pending or parked.',
  labelNames: ['state'],
});
const oldestPending = new Gauge({
  name: 'payment_event_oldest_pending_seconds',
  help: 'Age of the pending event that has waited longest; 0 without one.',
});

/** Watches over the events that were kept: none is forgotten before it is dealt with, and operators see what was put aside. */
@Injectable()
export class InboxService {
  constructor(
    private readonly store: InboxStore,
    private readonly jobs: IdentityJobs,
    private readonly clock: Clock,
    private readonly logger: GatekeeperLogger,
    background: Background,
  ) {
    background.add(new Repeater({ waitMs: measureMs, run: () => this.measure() }));
  }

  /** Newest first. */
  async list(state: WebhookState, limit: number): Promise<InboxRow[]> {
    return this.store.list(state, limit);
  }

  /** Has parked events looked up again: those of one look-up, or all. @returns how many */
  async retry(objectRef?: string): Promise<number> {
    return this.store.retry(objectRef);
  }

  /** Adds the jobs that pending events have lost, and lets none wait too long for its next try. */
  async revive(): Promise<void> {
    const count = await this.store.revive(new Date(this.clock.now().getTime() - reviveAfterMs));
    if (count > 0) this.logger.warn('payment_fetches_requeued', { count });
    await this.jobs.capBackoff(Object.values(PaymentProvider).map(syncTask), patienceSeconds);
  }

  async purge(): Promise<void> {
    await this.store.purge(this.daysAgo(keptDays), this.daysAgo(unclaimedDays));
  }

  /** Every replica for itself, so that none goes on showing what was true when it last had a turn. */
  private async measure(): Promise<void> {
    const { pending, deadLettered, oldest } = await this.store.counts();
    events.set({ state: 'pending' }, pending);
    events.set({ state: 'dead_lettered' }, deadLettered);
    oldestPending.set(oldest === null ? 0 : (this.clock.now().getTime() - oldest.getTime()) / 1000);
  }

  private daysAgo(days: number): Date {
    return new Date(this.clock.now().getTime() - days * day);
  }
}
