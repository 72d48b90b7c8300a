import { type Connection } from '@vpn-backend/client';
import { type Device } from './device.js';
import { type Cohort, draw } from './population.js';
import { type Schedule } from './schedule.js';
import { dayMs, hourMs } from './service-clock.js';

const minuteMs = 60_000;

/** The last day, counted from 0. The questions are about the connections that begin on it. */
const measuredDay = 3;

/** When users act, in Unix milliseconds. */
export class Days {
  /** No act begins later. Before midnight, because the day's issuance rows go then. */
  readonly end: number;
  /** When the measured day begins. */
  readonly measured: number;

  /** @param start a midnight (UTC) */
  constructor(readonly start: number) {
    this.measured = this.timeOf(measuredDay, 0);
    this.end = this.measured + 22.5 * hourMs;
  }

  /** When the service's jobs run next: every hour, but on the first two days, of which little is left, every six hours. */
  nextJobTime(time: number): number {
    return time + (time < this.timeOf(measuredDay - 1, 0) ? 6 : 1) * hourMs;
  }

  timeOf(day: number, hours: number): number {
    return this.start + day * dayMs + hours * hourMs;
  }
}

/** What a user does and when, from the user's own random draws. */
export class Habits {
  constructor(
    private readonly device: Device,
    private readonly schedule: Schedule,
    private readonly days: Days,
  ) {}

  /** Schedules the user's first acts, which schedule the rest. */
  begin(): void {
    const habits: Readonly<Record<Cohort, () => void>> = {
      'steady wallet': () => this.keepSteadyWallet(),
      'quick start': () => this.startQuickly(),
      'app opened daily': () => this.openApp([0, 1, 2, 3]),
      'app opened every third day': () => this.openApp([0, 3]),
      'new user': () => this.join(),
      'renewed connection': () => this.stayConnected(),
    };
    habits[this.device.user.cohort]();
  }

  /** Tokens are fetched in the background at times of their own. Connections come about once a day, at any time. */
  private keepSteadyWallet(): void {
    this.signUpWithBackgroundFetches();
    // Nothing is left of connections that began before the day before the measured one.
    for (let day = measuredDay - 1; day <= measuredDay; day++) {
      for (let count = draw([0, 1, 2], [0.15, 0.7, 0.15], this.device.user.random); count > 0; count--) {
        this.at(this.days.timeOf(day, this.between(0.5, 21.5)), () => this.connectForAWhile());
      }
    }
  }

  /** Signed up days ago, and runs the README's example today with a wallet that is empty: it ends by disconnecting. */
  private startQuickly(): void {
    this.at(this.days.timeOf(0, this.between(0.5, 22)), () => this.device.startTrial());
    this.at(this.days.timeOf(measuredDay, this.between(0.5, 21.5)), () => this.prefetchAndConnect(1));
  }

  /** Opens the app at about the same time of the day. Nothing runs in between. */
  private openApp([first = 0, ...others]: readonly number[]): void {
    const usual = this.between(1.5, 20.5);
    const timeOn = (day: number) => this.days.timeOf(day, usual + this.between(-1, 1));
    this.at(timeOn(first), () => this.joinAndConnect());
    for (const day of others) this.at(timeOn(day), () => this.prefetchAndConnect());
  }

  private join(): void {
    this.at(this.days.timeOf(measuredDay, this.between(0.5, 21.5)), () => this.joinAndConnect());
  }

  /**
   * Signs up and connects on the day before, and renews the connection when its client should. Its tokens are of that day, so the
   * row of the old connection is still there.
   */
  private stayConnected(): void {
    this.signUpWithBackgroundFetches(measuredDay - 1, 8);
    this.at(this.days.timeOf(measuredDay - 1, this.between(9, 21)), async () => {
      const connection = await this.device.connect();
      this.at(Date.parse(connection.renewAt), async () => void (await this.device.renew(connection)));
    });
  }

  private signUpWithBackgroundFetches(day = 0, latestHour = 22): void {
    const minute = this.between(0, 60);
    this.at(this.days.timeOf(day, this.between(0.5, latestHour)), async () => {
      await this.device.startTrial();
      await this.prefetchInBackground(minute);
    });
  }

  /**
   * The system runs the app's background task once an hour, at a minute of its own. Only the run that finds a prefetch due
   * sends anything, so only that run is scheduled.
   */
  private async prefetchInBackground(minute: number): Promise<void> {
    const { wallet } = this.device.client;
    await wallet.prefetchIfDue();
    const { nextPrefetch = '' } = await wallet.status();
    const hours = Math.ceil((Date.parse(nextPrefetch) - this.days.start - minute * minuteMs) / hourMs);
    this.at(this.days.timeOf(0, hours) + minute * minuteMs, () => this.prefetchInBackground(minute));
  }

  private async joinAndConnect(): Promise<void> {
    await this.device.startTrial();
    await this.prefetchAndConnect();
  }

  private async prefetchAndConnect(disconnects?: number): Promise<void> {
    await this.device.client.wallet.prefetchIfDue();
    await this.connectForAWhile(disconnects);
  }

  /** @param disconnects how likely the user disconnects. Most people leave the tunnel up, and the connection expires. */
  private async connectForAWhile(disconnects = 0.25): Promise<void> {
    const connection: Connection = await this.device.connect();
    if (this.device.user.random.next() >= disconnects) return;
    const begun = this.device.connections.at(-1)?.begunAt ?? 0;
    this.at(begun + this.between(5, 60) * minuteMs, () => this.device.disconnect(connection));
  }

  private at(time: number, run: () => Promise<void>): void {
    if (time <= this.days.end) this.schedule.add(time, () => this.device.act(run));
  }

  private between(from: number, to: number): number {
    return from + (to - from) * this.device.user.random.next();
  }
}
