import { Injectable } from '@nestjs/common';
import { Background } from '../health/index.js';
import { isStoreOutage } from '../http/index.js';
import { PlansStore } from './plans.store.js';
import { planInput } from './subscription.schema.js';
import { type Plan } from './subscription-state.js';

/** What a trial grants. Exists in every service, as the operator has last set it. */
export const standardPlan: Plan = { id: 'standard', name: 'Standard', dailyTokens: 32 };

const retryMs = 1_000;

/** What can be had: the operator's affair. */
@Injectable()
export class Plans {
  private retry: NodeJS.Timeout | undefined;

  constructor(
    private readonly store: PlansStore,
    background: Background,
  ) {
    background.add({ start: () => this.ensureStandard(), stop: () => clearTimeout(this.retry) });
  }

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

  /** A database that is away keeps no process from starting: the plan is made when it is back. */
  private async ensureStandard(): Promise<void> {
    try {
      await this.store.ensure(standardPlan);
    } catch (error) {
      if (!isStoreOutage(error)) throw error;
      this.retry = setTimeout(() => void this.ensureStandard(), retryMs);
    }
  }
}
