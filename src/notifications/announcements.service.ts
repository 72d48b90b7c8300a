import { Injectable } from '@nestjs/common';
import { type Act } from '../platform/audit/index.js';
import { Clock } from '../platform/config/index.js';
import { AppError } from '../platform/errors/index.js';
import { AnnouncementsStore } from './announcements.store.js';
import { payloadSchemas } from './kinds.js';

export interface Maintenance {
  readonly from: Date;
  readonly to: Date;
  /** What people should know, up to 500 characters of plain text. */
  readonly text: string;
}

/** What the operator tells everybody who wants to know. */
@Injectable()
export class AnnouncementsService {
  constructor(
    private readonly store: AnnouncementsStore,
    private readonly clock: Clock,
  ) {}

  /**
   * Announces maintenance. Announced again, for the same time, it reaches only those who came since.
   *
   * @param by who has it done and why, for the audit
   * @returns to how many accounts; who has neither a proven address nor a device is not reached
   * @throws {AppError} `invalid_request` for a time that is past or runs backwards
   * @throws {ZodError} for a text that is too long
   */
  async maintenance({ from, to, text }: Maintenance, by: Pick<Act, 'actor' | 'reason'>): Promise<number> {
    const now = this.clock.now();
    if (!(from < to && to > now))
      throw new AppError('invalid_request', 'Expected --from before --to, and --to to come.');
    const payload = payloadSchemas.maintenance.parse({ from: from.toISOString(), to: to.toISOString(), text });
    const act = { ...by, at: now, action: 'notify.maintenance', userId: null };
    return this.store.enqueueForAllUsers(`${payload.from}/${payload.to}`, payload, act);
  }
}
