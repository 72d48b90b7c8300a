import { type Column } from './catalog.js';

/** One value of a column, or of a field inside a JSON value. */
export interface Cell {
  /** Empty for the column itself; `->field->field` inside JSON. Elements of a list share the path of the list. */
  readonly path: string;
  readonly text: string;
}

/** Takes JSON apart, whatever the type of its column, so that each of its fields is a source of its own. */
export function cellsOf({ type }: Column, text: string): Cell[] {
  const isArray = type.endsWith('[]');
  if (!isArray && /^[[{]/.test(text)) {
    try {
      return fieldsOf(JSON.parse(text), '');
    } catch {
      // A text that only begins like JSON.
    }
  }
  return [{ path: '', text }];
}

function fieldsOf(value: unknown, path: string): Cell[] {
  if (Array.isArray(value)) return value.flatMap((element) => fieldsOf(element, path));
  switch (typeof value) {
    case 'string':
      return [{ path, text: value }];
    case 'number':
    case 'boolean':
      return [{ path, text: String(value) }];
    case 'object':
      return Object.entries(value ?? {}).flatMap(([name, field]) => fieldsOf(field, `${path}->${name}`));
    default:
      return [];
  }
}

/** The elements of an array as PostgreSQL writes it, `{a,"b c"}`; of any other text, the text itself. */
export function elementsOf({ type }: Column, text: string): string[] {
  if (!type.endsWith('[]')) return [text];
  const elements = text.matchAll(/"((?:[^"\\]|\\.)*)"|([^{},"]+)/g);
  return [...elements].map(([, quoted, plain = '']) => quoted?.replace(/\\(.)/g, '$1') ?? plain);
}
