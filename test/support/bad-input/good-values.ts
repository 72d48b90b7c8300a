import { type Schema } from './api-document.js';

/**
 * A value that matches a schema, derived from its examples, alternatives and bounds.
 *
 * @throws {Error} when the schema of a string says nothing about its content. It needs an example, which readers of the API
 *   reference need too.
 */
export function goodValue(schema: Schema, where: string): unknown {
  if (schema.example !== undefined) return schema.example;
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return schema.enum[0];
  const [alternative] = schema.anyOf ?? schema.oneOf ?? [];
  if (alternative !== undefined) return goodValue(alternative, where);
  switch (kindOf(schema)) {
    case 'object':
      return Object.fromEntries(
        Object.entries(schema.properties ?? {}).map(([key, inner]) => [key, goodValue(inner, `${where}.${key}`)]),
      );
    case 'array':
      return Array.from({ length: Math.max(1, schema.minItems ?? 0) }, () => goodValue(schema.items ?? {}, where));
    case 'boolean':
      return true;
    case 'number':
    case 'integer':
      return schema.minimum ?? Math.min(schema.maximum ?? 1, 1);
    case 'string':
      if (schema.format === 'uuid') return '5a5a5a5a-5a5a-4a5a-8a5a-5a5a5a5a5a5a';
      if (schema.format === 'date-time') return '2030-01-01T12:00:00.000Z';
  }
  throw new Error(`${where}: give its schema an example (.meta({ examples: [...] }))`);
}

/** The type of a schema, apart from `null`. */
export function kindOf({ type }: Schema): string | undefined {
  return [type].flat().find((name) => name !== 'null');
}
