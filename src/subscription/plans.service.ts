import { Injectable } from '@nestjs/common';
import { PlansStore } from './plans.store.js';
import { planInput } from './subscription.schema.js';
import { type Plan } from './subscription-state.js';

/** What a trial grants. A migration makes it; the operator changes it. */
export const standardPlanId = 'standard';

/** What can be had: the operator's affair. */
@Injectable()
export class PlansService {
  constructor(private readonly store: PlansStore) {}

  async list(): Promise<Plan[]> {
    return this.store.list();
  }

  /**
   * Adds a plan or changes it, for everyone on it and at once.
   *
   * @throws {ZodError} when a field is not as `planInput` says
   */
  async set(plan: Plan): Promise<Plan> {
    const checked = planInput.parse(plan);
    await this.store.set(checked);
    return checked;
  }
}
