import { existsSync } from 'node:fs';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Spec files that take a minute or more. They start first, so that the run does not end with a wait for one of them. */
const longest = [
  'test/payment/any-order.heavy.spec.ts',
  'test/chaos/payments.heavy.spec.ts',
  'test/chaos/kill-during-deletion.heavy.spec.ts',
  'test/chaos/kill-during-redemption.heavy.spec.ts',
  'test/e2e/demo.heavy.spec.ts',
  'test/unlinkability/one-process.heavy.spec.ts',
  'test/unlinkability/two-processes.heavy.spec.ts',
];

const missing = longest.filter((path) => !existsSync(path));
if (missing.length > 0) throw new Error(`No such spec: ${missing.join(', ')}. Correct the list in longest-first.ts.`);

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification) => longest.some((path) => moduleId.endsWith(path));
    const sorted = await super.sort(files);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}
