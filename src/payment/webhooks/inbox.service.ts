import { Injectable } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { GatekeeperLogger } from '../../logger/index.js';
import { Background, Repeater } from '../../platform/background/index.js';
import { Clock } from '../../platform/config/index.js';
import { IdentityJobs } from '../../platform/jobs/index.js';
import { PaymentProvider, type WebhookState } from '../../prisma/identity/index.js';
import { type InboxRow, InboxStore, syncTask } from './inbox.store.js';

const dayMs = 86_400_000;
const doneRetentionDays = 30;
/** A user who deletes their account but keeps paying Apple causes another unclaimed event each month. */
const unclaimedRetentionDays = 180;
/** A pending event should have a job. After this time without one, the job counts as lost. */
const requeueAfterMs = 60_000;
/** Longest wait between two attempts of a fetch. Without a limit the wait grows to hours, longer than most outages. */
const maxBackoffSeconds = 300;
const metricsIntervalMs = 15_000;

const events = new Gauge({
  name: 'payment_events',
  help: 'Payment events in the inbox, by state: pending or dead-lettered.',
  labelNames: ['state'],
});
const oldestPending = new Gauge({
  name: 'payment_event_oldest_pending_seconds',
  help: 'Age in seconds of the oldest pending payment event; 0 if no event is pending.',
});

/** Maintains the inbox of payment events: restores lost jobs, deletes old events, and shows operators what is dead-lettered. */
@Injectable()
export class InboxService {
  constructor(
    private readonly store: InboxStore,
    private readonly jobs: IdentityJobs,
    private readonly clock: Clock,
    private readonly logger: GatekeeperLogger,
    background: Background,
  ) {
    background.add(new Repeater({ waitMs: metricsIntervalMs, run: () => this.updateMetrics() }));
  }

  /** Newest first. */
  async list(state: WebhookState, limit: number): Promise<InboxRow[]> {
    return this.store.list(state, limit);
  }

  /** Retries dead-lettered events: those of one object, or all. @returns how many */
  async retry(objectRef?: string): Promise<number> {
    return this.store.retry(objectRef);
  }

  /** Adds the jobs that pending events have lost, and limits how long a failed fetch waits for its next attempt. */
  async requeueMissing(): Promise<void> {
    const count = await this.store.requeueMissing(new Date(this.clock.now().getTime() - requeueAfterMs));
    if (count > 0) this.logger.warn('payment_fetches_requeued', { count });
    await this.jobs.capBackoff(Object.values(PaymentProvider).map(syncTask), maxBackoffSeconds);
  }

  async purge(): Promise<void> {
    await this.store.purge(this.daysAgo(doneRetentionDays), this.daysAgo(unclaimedRetentionDays));
  }

  /** Runs on every replica: if only one measured, the others would keep exporting old values. */
  private async updateMetrics(): Promise<void> {
    const { pending, deadLettered, oldestPending: oldest } = await this.store.counts();
    events.set({ state: 'pending' }, pending);
    events.set({ state: 'dead_lettered' }, deadLettered);
    oldestPending.set(oldest === null ? 0 : (this.clock.now().getTime() - oldest.getTime()) / 1000);
  }

  private daysAgo(days: number): Date {
    return new Date(this.clock.now().getTime() - days * dayMs);
  }
}
