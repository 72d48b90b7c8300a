import { Injectable } from '@nestjs/common';
import { Counter, Gauge } from 'prom-client';
import { GatekeeperLogger } from '../logger/index.js';
import { Background, Repeater } from '../platform/background/index.js';
import { Clock } from '../platform/config/index.js';
import { isStoreOutage } from '../platform/errors/index.js';
import { type DeliveryChannel, retryLater, type Outcome } from './channel.js';
import { DeliveryStore, type PendingDelivery } from './delivery.store.js';
import { MailChannel } from './mail.channel.js';
import { type Channel, deliveryTasks } from './outbox/index.js';
import { PushChannel } from './push.channel.js';

/**
 * Sends pending deliveries, oldest first. Each channel has one worker at a time:
 *
 *  - When the mail server or Firebase cannot be reached, the whole channel pauses, longer after each failure. Nothing is
 *    lost, and the order is kept.
 *  - A temporary refusal postpones that delivery alone, longer after each attempt, for at most three days.
 *  - A permanent refusal is recorded, and the worker continues with the next delivery.
 *
 * A worker that is killed after the server accepts a message and before the result is recorded sends that message again
 * once its claim expires. Both mails have the same Message-ID, so the recipient's server can recognise the duplicate.
 */

const minute = 60_000;
const day = 24 * 60 * minute;
/** Longer than a batch should take. A batch that takes longer may send a message twice, with the same Message-ID. */
const claimMs = 5 * minute;
/** A job that ran for hours would delay the shutdown of its process. */
const maxBatch = 500;
const minRetryMs = 30_000;
const maxRetryMs = 4 * 60 * minute;
const giveUpAfterMs = 3 * day;
const retentionDays = 90;
const measureMs = 15_000;

const attempts = new Counter({
  name: 'notification_attempts_total',
  help: 'Attempts to deliver a notification, by channel and outcome.',
  labelNames: ['channel', 'outcome'],
});
const pending = new Gauge({
  name: 'notifications_pending',
  help: 'Notifications that wait to be sent.',
  labelNames: ['channel'],
});
const oldestPending = new Gauge({
  name: 'notification_oldest_pending_seconds',
  help: 'Age of the notification that has waited longest; 0 if none waits.',
  labelNames: ['channel'],
});

@Injectable()
export class DeliveryService {
  private readonly channels: Readonly<Record<Channel, DeliveryChannel>>;

  constructor(
    private readonly store: DeliveryStore,
    private readonly clock: Clock,
    private readonly logger: GatekeeperLogger,
    mail: MailChannel,
    push: PushChannel,
    background: Background,
  ) {
    this.channels = { email: mail, push };
    // On every replica: a maintenance job runs on one of them, and the gauges of the others would go stale.
    background.add(new Repeater({ waitMs: measureMs, run: () => this.measure() }));
  }

  /** Adds a job for each channel that has a due delivery. */
  async enqueueDueJobs(): Promise<void> {
    await this.store.enqueueDueJobs(this.clock.now());
  }

  /** Deletes old notifications. */
  async purge(): Promise<void> {
    await this.store.purge(this.after(-retentionDays * day));
  }

  /** Sends due deliveries until none is left or the channel fails. */
  async sendDue(channel: Channel): Promise<void> {
    const batch = 4 * this.channels[channel].concurrency;
    for (let count = 0; count < maxBatch; count += batch) {
      const claimed = await this.store.claim(channel, batch, this.clock.now(), this.after(claimMs));
      if (claimed.length === 0) return;
      if (!(await this.deliverAll(channel, claimed))) return;
    }
    await this.enqueueDueJobs();
  }

  /** Oldest first, as many at once as the channel allows. @returns whether the channel works */
  private async deliverAll(channel: Channel, claimed: readonly PendingDelivery[]): Promise<boolean> {
    const untried = [...claimed];
    const undelivered: PendingDelivery[] = [];
    let channelWorks = true;
    const deliverInTurn = async () => {
      // Checked before taking the next delivery: each one taken must be recorded or released.
      while (channelWorks) {
        const delivery = untried.shift();
        if (delivery === undefined) return;
        const outcome = await this.attempt(channel, delivery);
        attempts.inc({ channel, outcome: outcome.kind });
        if (outcome.kind !== 'down') {
          await this.recordOutcome(delivery, outcome);
          continue;
        }
        undelivered.push(delivery);
        if (channelWorks) await this.pause(channel, outcome.reason);
        channelWorks = false;
      }
    };
    await Promise.all(Array.from({ length: this.channels[channel].concurrency }, deliverInTurn));
    if (channelWorks) await this.store.resume(channel);
    else await this.store.release([...undelivered, ...untried].map(({ id }) => id));
    return channelWorks;
  }

  /** A message that our own code fails to render must not block the others. It is retried: a release may fix it in time. */
  private async attempt(channel: Channel, delivery: PendingDelivery): Promise<Outcome> {
    return this.channels[channel].deliver(delivery).catch((error: unknown) => {
      if (isStoreOutage(error)) throw error;
      this.logger.error('notification_not_sent', error, { job: deliveryTasks[channel] });
      return retryLater('fault');
    });
  }

  private async recordOutcome(
    { id, attempts: attemptCount, causedAt }: PendingDelivery,
    outcome: Outcome,
  ): Promise<void> {
    if (outcome.kind === 'sent') return this.store.finish(id, null);
    if (outcome.kind === 'refused' || outcome.kind === 'skipped') return this.store.finish(id, outcome.reason);
    const isTooOld = this.clock.now().getTime() - causedAt.getTime() > giveUpAfterMs;
    if (isTooOld) return this.store.finish(id, 'gave_up');
    const wait = Math.min(maxRetryMs, minRetryMs * 4 ** (attemptCount - 1));
    return this.store.postpone(id, this.after(wait), outcome.reason);
  }

  private async pause(channel: Channel, reason: string): Promise<void> {
    const failures = await this.store.pause(channel, this.clock.now());
    if (failures === 1) this.logger.warn('delivery_paused', { job: deliveryTasks[channel], reason });
  }

  private async measure(): Promise<void> {
    for (const { channel, count, oldest } of await this.store.countPending()) {
      pending.set({ channel }, count);
      const age = oldest === null ? 0 : (this.clock.now().getTime() - oldest.getTime()) / 1000;
      oldestPending.set({ channel }, age);
    }
  }

  private after(milliseconds: number): Date {
    return new Date(this.clock.now().getTime() + milliseconds);
  }
}
