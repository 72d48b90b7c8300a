import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { Clock } from '../platform/config/index.js';
import { EnrolmentTokenStore } from './enrolment-token.store.js';
import { locationId } from './node.schema.js';
import { unknownLocation } from './node-problems.js';
import { RegistrationStore } from './registration.store.js';
import { newSecret } from './secret.js';

const idBytes = 8;

export const newEnrolmentToken = z.strictObject({
  locationId,
  /** How many nodes may register with it. */
  uses: z.int().min(1).max(10_000).default(1),
  hours: z
    .number()
    .positive()
    .max(24 * 366)
    .default(24),
});

export interface EnrolmentTokenInfo {
  /** Identifies the token without revealing it: the first 8 bytes of its SHA-256, in hex. */
  readonly id: string;
  readonly locationId: string;
  readonly usesLeft: number;
  readonly expiresAt: Date;
}

/** Manages the tokens with which new nodes register; used by the operator. */
@Injectable()
export class EnrolmentTokensService {
  constructor(
    private readonly store: EnrolmentTokenStore,
    private readonly clock: Clock,
    private readonly registrations: RegistrationStore,
  ) {}

  /**
   * Creates a token for one location. Only its hash is stored, so the token is only in the return value.
   *
   * @throws {ZodError} when a field does not match `newEnrolmentToken`
   * @throws {AppError} `unknown_location`
   */
  async create(wanted: z.input<typeof newEnrolmentToken>): Promise<EnrolmentTokenInfo & { readonly token: string }> {
    const { locationId, uses, hours } = newEnrolmentToken.parse(wanted);
    const { text: token, hash } = newSecret();
    const expiresAt = new Date(this.clock.now().getTime() + hours * 3_600_000);
    if (!(await this.store.add(hash, locationId, uses, expiresAt))) throw unknownLocation();
    return { token, id: idOf(hash), locationId, usesLeft: uses, expiresAt };
  }

  async list(): Promise<EnrolmentTokenInfo[]> {
    return (await this.store.list()).map(({ hash, ...rest }) => ({ id: idOf(hash), ...rest }));
  }

  /** Deletes tokens that are used up or expired. */
  async purge(): Promise<void> {
    await this.registrations.purgeTokens(this.clock.now());
  }

  /** Revokes a token at once, also for repeated registrations. @returns false if no token has this id */
  async revoke(id: string): Promise<boolean> {
    return /^[0-9a-f]{16}$/.test(id) && this.store.remove(Buffer.from(id, 'hex'));
  }
}

function idOf(hash: Uint8Array): string {
  return Buffer.from(hash.subarray(0, idBytes)).toString('hex');
}
