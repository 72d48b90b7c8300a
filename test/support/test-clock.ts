import { Clock } from '../../src/platform/config/index.js';

/** A clock that changes only when a test sets or advances it. */
export class TestClock extends Clock {
  private current: number;

  constructor(start: Date | string = '2030-01-01T12:00:00Z') {
    super();
    this.current = new Date(start).getTime();
  }

  now(): Date {
    return new Date(this.current);
  }

  set(date: Date | string): void {
    this.current = new Date(date).getTime();
  }

  advance(milliseconds: number): void {
    this.current += milliseconds;
  }
}
