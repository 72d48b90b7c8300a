/** A value of a form: a string, a list or a record. */
export type FormValue = string | FormValue[] | { [key: string]: FormValue };

/**
 * Parses `a[b][0][c]=d`, the format of Stripe's own libraries, from a body or a query.
 * https://docs.stripe.com/api: "accepts form-encoded request bodies".
 */
export function parseForm(text: string): Record<string, FormValue> {
  const root: Record<string, unknown> = {};
  for (const [key, value] of new URLSearchParams(text)) {
    const path = [...key.matchAll(/[^[\]]+|\[\]/g)].map(([part]) => part);
    let place = root;
    for (const part of path.slice(0, -1)) place = (place[part] ??= {}) as Record<string, unknown>;
    const last = path.at(-1) ?? key;
    place[last === '[]' ? String(Object.keys(place).length) : last] = value;
  }
  return Object.fromEntries(Object.entries(root).map(([key, value]) => [key, listsIn(value)]));
}

/** Converts records with the keys 0, 1, 2 … to lists. */
function listsIn(value: unknown): FormValue {
  if (typeof value === 'string') return value;
  const entries = Object.entries(value as object).map(([key, one]) => [key, listsIn(one)] as const);
  const isList = entries.every(([key], place) => key === String(place));
  return isList ? entries.map(([, one]) => one) : Object.fromEntries(entries);
}
