import { Clock } from '../../../src/platform/config/index.js';
import { type Control } from './control.js';

export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;

interface Move {
  readonly machineMs: number;
  readonly offsetMs: number;
}

/**
 * The clock of the service, of the fake Firebase and of all clients. It runs like the machine's, and jumps ahead when the world
 * moves it. PostgreSQL and Redis keep the machine's clock.
 */
export class ServiceClock extends Clock {
  private readonly controls: Control[] = [];
  private readonly moves: Move[] = [];
  private moving: Promise<void> = Promise.resolve();
  /** Midnight (UTC) at which the first simulated day begins. It is later than any time of the machine in this run. */
  readonly start: number;

  constructor() {
    super();
    this.start = Math.ceil((Date.now() + hourMs) / dayMs) * dayMs;
    this.moves.push({ machineMs: Date.now(), offsetMs: this.start - Date.now() });
  }

  get offsetMs(): number {
    return this.moves.at(-1)?.offsetMs ?? 0;
  }

  now(): Date {
    return new Date(Date.now() + this.offsetMs);
  }

  /** Moves the clock of this process too, from now on. */
  async drive(control: Control): Promise<void> {
    this.controls.push(control);
    await control.setOffset(this.offsetMs);
  }

  /** Jumps to a time of the service, in Unix milliseconds. Never goes back: does nothing when the time has passed already. */
  moveTo(time: number): Promise<void> {
    this.moving = this.moving.then(() => this.jump(time));
    return this.moving;
  }

  private async jump(time: number): Promise<void> {
    const offsetMs = Math.ceil(time) - Date.now();
    if (offsetMs <= this.offsetMs) return;
    const move = { machineMs: Date.now(), offsetMs };
    // Clients follow the service, because it refuses ID tokens from the future.
    await Promise.all(this.controls.map((control) => control.setOffset(offsetMs)));
    this.moves.push(move);
  }

  /** The service's time at a time of the machine. A time of the service itself stays as it is: it is later than `start`. */
  toServiceTime(ms: number): number {
    if (ms >= this.start) return ms;
    const move = this.moves.findLast(({ machineMs }) => machineMs <= ms);
    return move === undefined ? ms : ms + move.offsetMs;
  }
}
