import { Injectable } from '@nestjs/common';
import { Counter, Gauge } from 'prom-client';
import { GatekeeperLogger } from '../logger/index.js';
import { Background, Repeater } from '../platform/background/index.js';
import { Clock } from '../platform/config/index.js';
import { isStoreOutage } from '../platform/errors/index.js';
import { type DeliveryChannel, later, type Outcome } from './channel.js';
import { DeliveryStore, type PendingDelivery } from './delivery.store.js';
import { MailChannel } from './mail.channel.js';
import { type Channel, deliveryTasks } from './outbox/index.js';
import { PushChannel } from './push.channel.js';

/**
 * Works off what people are to be told, oldest first, one worker at a time for each channel:
 *
 *  - A mail server or Firebase that cannot be reached pauses the whole channel, longer each time; nothing is lost, and
 *    nothing overtakes what waited first.
 *  - A temporary refusal of one notice postpones that one, longer each time, for three days at most.
 *  - A permanent refusal is marked, and the next one goes.
 *
 * A worker that is killed between the server's yes and our mark sends that one notice again once its claim has ended; the
 * mail's Message-ID is the same, by which the person's server may know it.
 */

const minute = 60_000;
const day = 24 * 60 * minute;
/** Longer than a batch should take. One that takes longer all the same may send a notice twice, with the same Message-ID. */
const claimMs = 5 * minute;
/** A job that went on for hours would keep a leaving process. */
const maxBatch = 500;
const minRetryMs = 30_000;
const maxRetryMs = 4 * 60 * minute;
const timeoutMs = 3 * day;
const keptDays = 90;
const measureMs = 15_000;

const attempts = new Counter({
  name: 'notification_attempts_total',
  help: 'Attempts to tell somebody something, by what became of them.',
  labelNames: ['channel', 'outcome'],
});
const pending = new Gauge({
  name: 'notifications_pending',
  help: 'Notices that wait to be sent.',
  labelNames: ['channel'],
});
const oldestPending = new Gauge({
  name: 'notification_oldest_pending_seconds',
  help: 'Age of the notice that has waited longest; 0 without one.',
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
    // Every replica for itself, so that none goes on showing what was true when it last had a turn.
    background.add(new Repeater({ waitMs: measureMs, run: () => this.measure() }));
  }

  /** Adds the jobs of channels on which something is due. */
  async wake(): Promise<void> {
    await this.store.wake(this.clock.now());
  }

  /** Forgets old notices. */
  async purge(): Promise<void> {
    await this.store.purge(this.after(-keptDays * day));
  }

  /** Sends what is due, until nothing is, or the channel does not work. */
  async drain(channel: Channel): Promise<void> {
    const batch = 4 * this.channels[channel].concurrency;
    for (let count = 0; count < maxBatch; count += batch) {
      const parcels = await this.store.claim(channel, batch, this.clock.now(), this.after(claimMs));
      if (parcels.length === 0) return;
      if (!(await this.deliverAll(channel, parcels))) return;
    }
    await this.wake();
  }

  /** In the order of their age, as many at once as the channel takes. @returns whether the channel works */
  private async deliverAll(channel: Channel, parcels: readonly PendingDelivery[]): Promise<boolean> {
    const untried = [...parcels];
    const back: PendingDelivery[] = [];
    let works = true;
    const carry = async () => {
      // Looked at before the next is taken: whoever takes one must settle it or give it back.
      while (works) {
        const parcel = untried.shift();
        if (parcel === undefined) return;
        const outcome = await this.attempt(channel, parcel);
        attempts.inc({ channel, outcome: outcome.kind });
        if (outcome.kind !== 'down') {
          await this.settle(parcel, outcome);
          continue;
        }
        back.push(parcel);
        if (works) await this.pause(channel, outcome.reason);
        works = false;
      }
    };
    await Promise.all(Array.from({ length: this.channels[channel].concurrency }, carry));
    if (works) await this.store.resume(channel);
    else await this.store.release([...back, ...untried].map(({ id }) => id));
    return works;
  }

  /** A notice that we cannot even write must not keep the others waiting: it may be mended within its three days. */
  private async attempt(channel: Channel, parcel: PendingDelivery): Promise<Outcome> {
    return this.channels[channel].deliver(parcel).catch((error: unknown) => {
      if (isStoreOutage(error)) throw error;
      this.logger.error('notification_not_sent', error, { job: deliveryTasks[channel] });
      return later('fault');
    });
  }

  private async settle({ id, attempts: tried, causedAt }: PendingDelivery, outcome: Outcome): Promise<void> {
    if (outcome.kind === 'sent') return this.store.settle(id, null);
    if (outcome.kind === 'refused' || outcome.kind === 'skipped') return this.store.settle(id, outcome.reason);
    const isTooOld = this.clock.now().getTime() - causedAt.getTime() > timeoutMs;
    if (isTooOld) return this.store.settle(id, 'gave_up');
    const wait = Math.min(maxRetryMs, minRetryMs * 4 ** (tried - 1));
    return this.store.postpone(id, this.after(wait), outcome.reason);
  }

  private async pause(channel: Channel, reason: string): Promise<void> {
    const failures = await this.store.pause(channel, this.clock.now());
    if (failures === 1) this.logger.warn('delivery_paused', { job: deliveryTasks[channel], reason });
  }

  private async measure(): Promise<void> {
    for (const { channel, count, oldest } of await this.store.waiting()) {
      pending.set({ channel }, count);
      const age = oldest === null ? 0 : (this.clock.now().getTime() - oldest.getTime()) / 1000;
      oldestPending.set({ channel }, age);
    }
  }

  private after(milliseconds: number): Date {
    return new Date(this.clock.now().getTime() + milliseconds);
  }
}
