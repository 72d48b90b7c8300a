import { type Problem } from '../trace.js';
import { type MadeConnection } from './device.js';
import { type Days } from './habits.js';
import { cohorts, type SimulatedUser } from './population.js';

const renewals = 'renewed connection';

/** The questions about the connections that began on the measured day, with their answers. */
export function problemsOf(
  users: readonly SimulatedUser[],
  connections: readonly MadeConnection[],
  days: Days,
): Problem[] {
  const begun = connections.filter(({ begunAt }) => begunAt >= days.measured);
  const byUser = cohorts.map((name): Problem => {
    const asked = begun.filter(({ user }) => user.cohort === name);
    return {
      name,
      left: 'user',
      truth: new Map(asked.map(({ id, user }) => [id, user.name])),
      candidates: users.map((user) => user.name),
      // A cohort's users have signed up on the same day and act on the same days.
      classes: new Map(users.map((user) => [user.name, user.cohort])),
    };
  });
  const [chain] = byUser.filter(({ name }) => name === renewals);
  const ended = connections.filter(({ endedAt = 0 }) => endedAt >= days.measured);
  return [
    ...byUser.filter((problem) => problem !== chain),
    {
      name: renewals,
      left: 'connection',
      truth: new Map(begun.flatMap(({ id, renewalOf }) => (renewalOf === undefined ? [] : [[id, renewalOf]]))),
      candidates: ended.map(({ id }) => id),
      classes: new Map(ended.map(({ id, user }) => [id, user.cohort])),
    },
  ];
}
