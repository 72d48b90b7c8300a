import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { addressTask } from '../auth/index.js';
import { IdentityJobs } from '../prisma/identity/index.js';
import { CustomersStore } from './customers.store.js';
import { OptionalStripe } from './optional-providers.js';
import { ProviderRefusal } from './provider-errors.js';

const jobPayload = z.object({ userId: z.uuid() });

/** Keeps the address that Stripe sends receipts to the one that the person has. */
@Injectable()
export class BilledAddresses {
  constructor(
    private readonly customers: CustomersStore,
    private readonly stripe: OptionalStripe,
    jobs: IdentityJobs,
  ) {
    jobs.handle(addressTask, (payload) => this.bring(jobPayload.parse(payload).userId));
  }

  /**
   * Tells Stripe the person's address until it is still theirs afterwards: of two changes, the older might arrive last.
   *
   * @param told the address that Stripe has been told already, if it is known
   * @throws {ProviderUnavailable}
   */
  async bring(userId: string, told?: string | null): Promise<void> {
    const { stripeCustomerId, email } = (await this.customers.byId(userId)) ?? {};
    if (typeof stripeCustomerId !== 'string' || email === undefined || email === told) return;
    try {
      await this.stripe.client?.setEmail(stripeCustomerId, email);
    } catch (error) {
      // A customer who is gone gets no receipts; what Stripe takes for no address, it will never take.
      if (error instanceof ProviderRefusal) return;
      throw error;
    }
    return this.bring(userId, email);
  }
}
