import { z } from 'zod';
import { invalid } from '../errors.js';

/** Parsers for form values, which are all strings. */
export const integer = z
  .string()
  .regex(/^-?\d+$/, 'Invalid integer')
  .transform(Number);
export const boolean = z
  .enum(['true', 'false'], 'Invalid boolean: must be one of true or false')
  .transform((value) => value === 'true');
export const text = z.string().min(1, 'You passed an empty string.').max(5000);
/** An empty value unsets a field. */
export const unset = z.literal('').transform(() => null);
/** An empty value unsets all metadata. */
export const metadata = z
  .union([z.literal(''), z.record(z.string().max(40), z.string().max(500))])
  .transform((input) => (input === '' ? {} : input));

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

/** @throws {ApiError} naming the first invalid parameter, as Stripe does. */
export function readParams<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = issue?.path ?? [];
  const param = path.map((part, place) => (place === 0 ? String(part) : `[${String(part)}]`)).join('');
  if (issue?.code === 'unrecognized_keys') {
    const unknown = issue.keys.map((key) => (param === '' ? key : `${param}[${key}]`));
    const message = `Received unknown parameter${unknown.length > 1 ? 's' : ''}: ${unknown.join(', ')}`;
    throw invalid(message, { code: 'parameter_unknown', param: unknown[0] });
  }
  if (issue && valueAt(input, path) === undefined) {
    throw invalid(`Missing required param: ${param}.`, { code: 'parameter_missing', param });
  }
  throw invalid(`Invalid ${param}: ${issue?.message ?? ''}`, { param });
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, part) => (value as Record<PropertyKey, unknown> | undefined)?.[part], input);
}
