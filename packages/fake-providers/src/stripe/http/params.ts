import { z } from 'zod';
import { invalid } from '../errors.js';

/** A form has only texts: how numbers, booleans and the like are written in it. */
export const integer = z
  .string()
  .regex(/^-?\d+$/, 'Invalid integer')
  .transform(Number);
export const boolean = z
  .enum(['true', 'false'], 'Invalid boolean: must be one of true or false')
  .transform((is) => is === 'true');
export const text = z.string().min(1, 'You passed an empty string.').max(5000);
/** Empty is how a field is unset. */
export const unset = z.literal('').transform(() => null);
/** Empty is how all of it is unset. */
export const metadata = z
  .union([z.literal(''), z.record(z.string().max(40), z.string().max(500))])
  .transform((given) => (given === '' ? {} : given));

export const expandable = z.strictObject({ expand: z.array(z.string()).optional() });

export const range = z.union([
  integer.transform((exact) => ({ gte: exact, lte: exact })),
  z.strictObject({ gt: integer.optional(), gte: integer.optional(), lt: integer.optional(), lte: integer.optional() }),
]);

export const listParams = {
  created: range.optional(),
  limit: integer.pipe(z.number().min(1).max(100)).default(10),
  starting_after: text.optional(),
  ending_before: text.optional(),
};

export interface Range {
  readonly gt?: number;
  readonly gte?: number;
  readonly lt?: number;
  readonly lte?: number;
}

export interface Listing {
  readonly created?: Range;
  readonly limit: number;
  readonly starting_after?: string;
  readonly ending_before?: string;
}

/** @throws {ApiError} naming the first parameter that is wrong, as Stripe does. */
export function readParams<T>(schema: z.ZodType<T>, given: unknown): T {
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = issue?.path ?? [];
  const param = path.map((part, place) => (place === 0 ? String(part) : `[${String(part)}]`)).join('');
  if (issue?.code === 'unrecognized_keys') {
    const unknown = issue.keys.map((key) => (param === '' ? key : `${param}[${key}]`));
    const message = `Received unknown parameter${unknown.length > 1 ? 's' : ''}: ${unknown.join(', ')}`;
    throw invalid(message, { code: 'parameter_unknown', param: unknown[0] });
  }
  if (issue && valueAt(given, path) === undefined) {
    throw invalid(`Missing required param: ${param}.`, { code: 'parameter_missing', param });
  }
  throw invalid(`Invalid ${param}: ${issue?.message ?? ''}`, { param });
}

function valueAt(given: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, part) => (value as Record<PropertyKey, unknown> | undefined)?.[part], given);
}
