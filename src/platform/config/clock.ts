import { Injectable } from '@nestjs/common';

/** The only source of the current time. Decisions take it from here, SQL takes it as a parameter, tests move it. */
export abstract class Clock {
  abstract now(): Date;
}

@Injectable()
export class SystemClock extends Clock {
  now(): Date {
    return new Date();
  }
}
