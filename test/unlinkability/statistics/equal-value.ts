import { type Scorer } from './ordered-matchers.js';

/** For each entity of a list, its different values. */
export type Values = readonly (readonly string[])[];

export function valuesOf(values: ReadonlyMap<string, readonly string[]>, entities: readonly string[]): Values {
  return entities.map((entity) => [...new Set(values.get(entity) ?? [])]);
}

/** An equal value counts the more, the fewer candidates have it: minus the logarithm of their share. Of several, the rarest. */
export function equalValue(left: Values, right: Values): Scorer {
  const holders = holdersOf(left);
  const holding = left.filter((values) => values.length > 0).length;
  const unequal = Float64Array.from(left, (values) => (values.length > 0 ? 0 : -Infinity));
  return (asked, scores) => {
    const values = right[asked]!;
    if (values.length === 0) return void scores.fill(0);
    scores.set(unequal);
    for (const value of values) {
      const candidates = holders.get(value) ?? [];
      const score = -Math.log(candidates.length / holding);
      for (const candidate of candidates) scores[candidate] = Math.max(scores[candidate]!, score);
    }
  };
}

/** For each value, the entities that have it. */
export function holdersOf(values: Values): Map<string, number[]> {
  const holders = new Map<string, number[]>();
  for (const [entity, own] of values.entries())
    for (const value of own) {
      const known = holders.get(value);
      if (known) known.push(entity);
      else holders.set(value, [entity]);
    }
  return holders;
}
