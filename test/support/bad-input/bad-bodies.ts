import { type Schema } from './api-document.js';
import { badValues, RawJson } from './bad-values.js';
import { goodValue } from './good-values.js';

/** A body that an endpoint must refuse. */
export interface BadBody {
  /** What is wrong with the body. */
  readonly flaw: string;
  readonly text: string | Buffer;
  /** The field that the answer must name; absent when the flaw concerns the whole body. */
  readonly field?: string;
  /** The problem codes that are right for this flaw. */
  readonly codes: readonly string[];
}

type Path = readonly (string | number)[];

/** Like JSON.stringify, but writes the text of a RawJson unchanged. */
export function toJson(value: unknown): string {
  if (value instanceof RawJson) return value.text;
  if (Array.isArray(value)) return `[${value.map(toJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}:${toJson(inner)}`);
  return `{${members.join(',')}}`;
}

/** Copies a value and replaces the part at a path; `undefined` removes the member. */
function withChange(value: unknown, [step, ...rest]: Path, to: unknown): unknown {
  if (step === undefined) return to;
  if (Array.isArray(value))
    return value.map((item: unknown, index) => (index === step ? withChange(item, rest, to) : item));
  // The good body may leave out the object that contains the field.
  const inner = withChange((value as Record<string, unknown> | undefined)?.[step], rest, to);
  const entries = Object.entries({ ...(value as object), [step]: inner });
  return Object.fromEntries(entries.filter(([key]) => key !== step || inner !== undefined));
}

interface Field {
  readonly path: Path;
  readonly schema: Schema;
  readonly required: boolean;
}

/** Every field of a body, including the fields of nested objects and of the first list items. */
function fieldsOf(schema: Schema, at: Path = []): Field[] {
  const own = Object.entries(schema.properties ?? {}).map(([name, inner]) => ({
    path: [...at, name],
    schema: inner,
    required: schema.required?.includes(name) ?? false,
  }));
  const inside = own.flatMap(({ path, schema: inner }) => fieldsOf(inner, path));
  const items = schema.items === undefined ? [] : fieldsOf(schema.items, [...at, 0]);
  const item =
    schema.items && isScalar(schema.items) ? [{ path: [...at, 0], schema: schema.items, required: false }] : [];
  return [...own, ...inside, ...items, ...item];
}

const isScalar = ({ properties }: Schema) => properties === undefined;

/**
 * Makes all bad bodies for an endpoint by changing good ones.
 *
 * @param bodies good bodies. A field that they all lack is added to the first one.
 */
export function badBodies(schema: Schema, bodies: readonly object[]): BadBody[] {
  const fields = fieldsOf(schema);
  return [
    ...fields.flatMap((field) => badFields(field, bodyWith(field, bodies))),
    ...badObjects(schema, bodies[0] ?? {}),
  ];
}

function bodyWith({ path, schema }: Field, bodies: readonly object[]): object {
  const has = (body: object) =>
    path.reduce<unknown>((value, step) => (value as Record<string, unknown> | undefined)?.[step], body) !== undefined;
  return bodies.find(has) ?? (withChange(bodies[0], path, goodValue(schema, path.join('.'))) as object);
}

function badFields({ path, schema, required }: Field, body: object): BadBody[] {
  const field = path.join('.');
  const codes = ['invalid_request'];
  const bad = badValues(schema).map(({ flaw, value }) => ({
    flaw: `${field}: ${flaw}`,
    text: toJson(withChange(body, path, value)),
    field,
    codes,
  }));
  if (!required) return bad;
  return [...bad, { flaw: `${field}: missing`, text: toJson(withChange(body, path, undefined)), field, codes }];
}

/** Bodies with a flaw of the whole body, or an unknown member in one of its objects. */
function badObjects(schema: Schema, body: object): BadBody[] {
  const objects: Path[] = [
    [],
    ...fieldsOf(schema)
      .filter(({ schema: { items } }) => items?.properties)
      .map(({ path }) => [...path, 0]),
  ];
  const withBadMembers = objects.flatMap((path) => badMembers(path, body, schema));
  const text = toJson(body);
  const malformed = (flaw: string, broken: string | Buffer) => ({ flaw, text: broken, codes: ['malformed_body'] });
  const invalid = (flaw: string, other: string) => ({ flaw, text: other, codes: ['invalid_request'] });
  return [
    ...withBadMembers,
    malformed('an empty body', ''),
    malformed('a space', ' '),
    malformed('half an object', text.slice(0, Math.ceil(text.length / 2))),
    malformed('an object and a closing brace', `${text}}`),
    malformed('two objects', `${text}${text}`),
    malformed('a trailing comma', text.replace(/\}$/, ',}')),
    malformed('single quotes', `{'a':1}`),
    malformed('a comment', `/* */${text}`),
    malformed('NaN', text.replace(/\}$/, ',"x":NaN}')),
    malformed('a line break in a string', '{"a":"\n"}'),
    malformed('bytes that are not UTF-8', Buffer.from([0xff, 0xfe, 0x00, 0x7b])),
    malformed('form data', 'a=1&b=2'),
    invalid('null', 'null'),
    invalid('true', 'true'),
    invalid('a number', '1'),
    invalid('a string', '"text"'),
    invalid('a string that contains JSON', JSON.stringify(text)),
    invalid('a list', '[]'),
    invalid('a list that contains the body', `[${text}]`),
    invalid('lists nested 10,000 deep', '['.repeat(10_000) + ']'.repeat(10_000)),
    invalid('objects nested 5,000 deep', '{"a":'.repeat(5_000) + '1' + '}'.repeat(5_000)),
  ];
}

function badMembers(path: Path, body: object, schema: Schema): BadBody[] {
  const inner = path.reduce<unknown>((value, step) => (value as Record<string, unknown> | undefined)?.[step], body);
  if (typeof inner !== 'object' || inner === null) return [];
  const where = path.length === 0 ? '' : ` in ${path.join('.')}`;
  const withMember = (member: string) =>
    toJson(
      withChange(
        body,
        path,
        new RawJson(toJson(inner).replace(/\}$/, `${Object.keys(inner).length > 0 ? ',' : ''}${member}}`)),
      ),
    );
  const invalid = (flaw: string, member: string, field?: string) => ({
    flaw: `${flaw}${where}`,
    text: withMember(member),
    field,
    codes: ['invalid_request'],
  });
  const malformed = (flaw: string, member: string) => ({
    flaw: `${flaw}${where}`,
    text: withMember(member),
    codes: ['malformed_body'],
  });
  const [first] = path.length === 0 ? Object.entries(schema.properties ?? {}) : [];
  return [
    invalid('an unknown member', '"surplus":1', 'surplus'),
    invalid('an unknown member that is null', '"surplus":null', 'surplus'),
    invalid('an unknown member named like a method of every object', '"toString":1', 'toString'),
    invalid('an unknown member with a name of 10,000 characters', `"${'k'.repeat(10_000)}":1`),
    invalid('1,000 unknown members', Array.from({ length: 1_000 }, (_, index) => `"k${index}":1`).join(',')),
    invalid('an unknown member with an empty name', '"":1'),
    malformed('__proto__', '"__proto__":{"isAdmin":true}'),
    malformed('__proto__ with an escape sequence', '"\\u005f_proto__":{"isAdmin":true}'),
    malformed('constructor.prototype', '"constructor":{"prototype":{"isAdmin":true}}'),
    ...(first === undefined
      ? []
      : [invalid('a member twice, the second time with a bad value', `"${first[0]}":{"bad":true}`, first[0])]),
  ];
}
