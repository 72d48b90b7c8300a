import { Injectable } from '@nestjs/common';
import { PlansStore } from './plans.store.js';
import { planInput } from './subscription.schema.js';
import { type Plan } from './subscription-state.js';

/** The plan of a trial. A migration creates it; the operator may change it. */
export const standardPlanId = 'standard';

/** The plans that users can have. The operator defines them. */
@Injectable()
export class PlansService {
  constructor(private readonly store: PlansStore) {}

  async list(): Promise<Plan[]> {
    return this.store.list();
  }

  /**
   * Adds a plan, or changes it at once for all its users.
   *
   * @throws {ZodError} if a field violates `planInput`
   */
  async set(plan: Plan): Promise<Plan> {
    const checked = planInput.parse(plan);
    await this.store.set(checked);
    return checked;
  }
}
