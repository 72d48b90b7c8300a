import { Injectable } from '@nestjs/common';
import { type Act } from '../platform/audit/index.js';
import { Clock } from '../platform/config/index.js';
import { AppError } from '../platform/errors/index.js';
import { AnnouncementsStore } from './announcements.store.js';
import { payloadSchemas } from './kinds.js';

export interface Maintenance {
  readonly from: Date;
  readonly to: Date;
  /** What users should know: plain text of at most 500 characters. */
  readonly text: string;
}

/** Announcements from the operator to all users. */
@Injectable()
export class AnnouncementsService {
  constructor(
    private readonly store: AnnouncementsStore,
    private readonly clock: Clock,
  ) {}

  /**
   * Announces maintenance to all users. Announcing the same period again notifies only the users who joined since.
   *
   * @param by the operator and the reason, for the audit trail
   * @returns how many users get a notification; those with neither a verified address nor a device receive nothing
   * @throws {AppError} `invalid_request` if the period is over or ends before it begins
   * @throws {ZodError} if the text is too long
   */
  async maintenance({ from, to, text }: Maintenance, by: Pick<Act, 'actor' | 'reason'>): Promise<number> {
    const now = this.clock.now();
    if (!(from < to && to > now))
      throw new AppError('invalid_request', 'Expected --from to be before --to, and --to to be in the future.');
    const payload = payloadSchemas.maintenance.parse({ from: from.toISOString(), to: to.toISOString(), text });
    const act = { ...by, at: now, action: 'notify.maintenance', userId: null };
    return this.store.enqueueForAllUsers(`${payload.from}/${payload.to}`, payload, act);
  }
}
