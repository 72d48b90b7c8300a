import { type Schema } from './api-document.js';
import { goodValue, kindOf } from './good-values.js';

/** A value that does not match a schema, and the reason. */
export interface BadValue {
  readonly flaw: string;
  readonly value: unknown;
}

/** Text to insert into JSON unchanged, for values that JSON.stringify can't produce. */
export class RawJson {
  constructor(readonly text: string) {}
}

const samples: readonly (readonly [kind: string, flaw: string, value: unknown])[] = [
  ['null', 'null', null],
  ['boolean', 'a boolean', true],
  ['number', 'a number', 7],
  ['number', 'zero', 0],
  ['string', 'a string', 'text'],
  ['string', 'a string of digits', '7'],
  ['string', 'an empty string', ''],
  ['array', 'an empty list', []],
  ['array', 'a list', [1]],
  ['object', 'an empty object', {}],
  ['object', 'an object that prints as a string', { toString: 'text', length: 43 }],
];

/** The JSON types that a schema, or any of its alternatives, accepts. */
function kindsOf(schema: Schema): Set<string> {
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (alternatives !== undefined) return new Set(alternatives.flatMap((one) => [...kindsOf(one)]));
  if (schema.type !== undefined) {
    return new Set([schema.type].flat().map((type) => (type === 'integer' ? 'number' : type)));
  }
  const values = schema.enum ?? (schema.const === undefined ? undefined : [schema.const]);
  if (values !== undefined) return new Set(values.map((value) => (value === null ? 'null' : typeof value)));
  return new Set(samples.map(([kind]) => kind));
}

/** The bad values for a field with this schema. They contain no bad values of nested fields. */
export function badValues(schema: Schema): BadValue[] {
  const kinds = kindsOf(schema);
  const wrongTypes = samples.filter(([kind]) => !kinds.has(kind)).map(([, flaw, value]) => ({ flaw, value }));
  // A value that one alternative refuses may match another. Only a type that every alternative refuses is certainly wrong.
  if ((schema.anyOf ?? schema.oneOf) !== undefined) return wrongTypes;
  const deep = new RawJson(`${'['.repeat(10_000)}${']'.repeat(10_000)}`);
  return [
    ...wrongTypes,
    ...(kinds.has('array') ? [] : [{ flaw: 'lists nested 10,000 deep', value: deep }]),
    ...(schema.enum !== undefined ? badChoices(schema) : (badValuesByType[kindOf(schema) ?? '']?.(schema) ?? [])),
  ];
}

const badValuesByType: Readonly<Record<string, ((schema: Schema) => BadValue[]) | undefined>> = {
  string: badStrings,
  number: badNumbers,
  integer: badNumbers,
  array: badLists,
};

function badChoices({ enum: choices = [] }: Schema): BadValue[] {
  return choices
    .filter((choice) => typeof choice === 'string')
    .flatMap((choice) => [
      { flaw: 'a choice in capitals', value: choice.toUpperCase() },
      { flaw: 'a choice and a space', value: `${choice} ` },
      { flaw: 'a property of every object', value: 'constructor' },
    ])
    .filter(({ value }) => !choices.includes(value));
}

function badNumbers({ type, minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Schema): BadValue[] {
  const tooSmall = exclusiveMinimum ?? (minimum === undefined ? undefined : minimum - 1);
  const tooLarge = exclusiveMaximum ?? (maximum === undefined ? undefined : maximum + 1);
  return [
    { flaw: 'a number too large for a double', value: new RawJson('1e400') },
    { flaw: 'a negative number too large for a double', value: new RawJson('-1e400') },
    ...(tooSmall === undefined ? [] : [{ flaw: 'too small', value: tooSmall }]),
    ...(tooSmall === undefined ? [] : [{ flaw: 'far too small', value: -1e300 }]),
    ...(tooLarge === undefined ? [] : [{ flaw: 'too large', value: tooLarge }]),
    ...(tooLarge === undefined ? [] : [{ flaw: 'far too large', value: 1e300 }]),
    ...([type].flat().includes('integer') ? [{ flaw: 'a fraction', value: (minimum ?? 0) + 0.5 }] : []),
  ];
}

function badLists(schema: Schema): BadValue[] {
  const { minItems = 0, maxItems, items = {} } = schema;
  const item = goodValue(items, 'items');
  return [
    { flaw: 'a list that contains null', value: [null] },
    { flaw: 'a list in a list', value: [[item]] },
    ...(minItems > 0 ? [{ flaw: 'too few items', value: Array.from({ length: minItems - 1 }, () => item) }] : []),
    ...(maxItems === undefined
      ? []
      : [{ flaw: 'too many items', value: Array.from({ length: maxItems + 1 }, () => item) }]),
  ];
}

function badStrings(schema: Schema): BadValue[] {
  const good = goodValue(schema, 'string') as string;
  const { minLength = 0, maxLength, pattern, format, contentEncoding } = schema;
  const every = [
    { flaw: 'a NUL character inside', value: `${good.slice(0, 1)}\0${good.slice(2)}` },
    { flaw: 'an unpaired surrogate inside', value: new RawJson(`"${good.slice(0, 1)}\\ud800${good.slice(2)}"`) },
    { flaw: '20,000 characters', value: good.repeat(Math.ceil(20_000 / good.length)) },
    ...(minLength > 0 ? [{ flaw: 'empty', value: '' }] : []),
    ...(minLength > 1 ? [{ flaw: 'too short', value: good.slice(0, minLength - 1) }] : []),
    ...(maxLength === undefined ? [] : [{ flaw: 'too long', value: good.padEnd(maxLength + 1, good.at(-1)) }]),
  ];
  if (pattern === undefined && format === undefined && contentEncoding === undefined) return every;
  return [
    ...every,
    { flaw: 'empty', value: '' },
    { flaw: 'a space before', value: ` ${good}` },
    { flaw: 'a space after', value: `${good} ` },
    { flaw: 'a line break after', value: `${good}\n` },
    { flaw: 'a second line that looks like a header', value: `${good}\r\nx: y` },
    { flaw: 'a look-alike letter', value: `а${good.slice(1)}` },
    {
      flaw: 'full-width characters',
      value: good.replace(/[0-9]/g, (digit) => String.fromCharCode(0xfee0 + digit.charCodeAt(0))).concat('０'),
    },
    { flaw: 'a path', value: '../../etc/passwd' },
    { flaw: 'an SQL injection', value: "' OR 1=1 --" },
    ...(contentEncoding?.startsWith('base64') ? badBase64(good, contentEncoding === 'base64url') : []),
    ...(format === undefined
      ? []
      : (badValuesByFormat[format] ?? []).map((value) => ({ flaw: `not a valid ${format}`, value }))),
  ];
}

/** Non-canonical encodings of the same bytes, other alphabets, and bytes of the wrong length. */
function badBase64(good: string, url: boolean): BadValue[] {
  const alphabet = url ? 'base64url' : 'base64';
  const bytes = Buffer.from(good, alphabet);
  const unpadded = good.replace(/=+$/, '');
  const padding = '='.repeat((4 - (unpadded.length % 4)) % 4);
  const other = Buffer.alloc(bytes.length, 0xff).toString(url ? 'base64' : 'base64url');
  return [
    { flaw: 'a byte short', value: bytes.subarray(1).toString(alphabet) },
    { flaw: 'a byte long', value: Buffer.concat([bytes, Buffer.of(1)]).toString(alphabet) },
    { flaw: 'hexadecimal', value: bytes.toString('hex') },
    { flaw: 'the other alphabet', value: other },
    { flaw: 'too much padding', value: `${unpadded}${padding}=` },
    { flaw: 'padding inside', value: `${good.slice(0, 4)}=${good.slice(5)}` },
    { flaw: 'a space inside', value: `${good.slice(0, 4)} ${good.slice(4)}` },
    { flaw: 'a line break inside', value: `${good.slice(0, 4)}\n${good.slice(4)}` },
    ...(padding === '' ? [] : [{ flaw: 'unused bits set', value: withUnusedBits(unpadded) + (url ? '' : padding) }]),
    ...(url || padding === '' ? [] : [{ flaw: 'no padding', value: unpadded }]),
    ...(padding.length === 2 ? [{ flaw: 'half of the padding', value: `${unpadded}=` }] : []),
  ];
}

/** A lax decoder ignores the lowest bit of the last character and decodes the same bytes. */
function withUnusedBits(unpadded: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  const last = alphabet.indexOf(unpadded.at(-1) ?? '');
  return `${unpadded.slice(0, -1)}${alphabet[last ^ 1] ?? 'B'}`;
}

const badValuesByFormat: Readonly<Record<string, readonly string[] | undefined>> = {
  uuid: [
    '5a5a5a5a5a5a4a5a8a5a5a5a5a5a5a5a',
    '{5a5a5a5a-5a5a-4a5a-8a5a-5a5a5a5a5a5a}',
    '5a5a5a5a-5a5a-4a5a-8a5a-5a5a5a5a5a5',
  ],
  ipv4: [
    '256.0.2.1',
    '192.0.2',
    '192.0.2.1.1',
    '0x7f.0.0.1',
    '192.000.002.001',
    '3221225985',
    '192.0.2.1/32',
    '192.0.2.1:80',
    '2001:db8::7',
    '0.0.0.0',
    '224.0.0.1',
    'vpn.example.com',
  ],
  ipv6: [
    '2001:db8::7::1',
    '[2001:db8::7]',
    'fe80::1%eth0',
    '2001:db8::7/64',
    '::ffff:192.0.2.1',
    '192.0.2.1',
    'ff02::1',
    '::',
    '2001:db8:0:0:0:0:0:0:7',
  ],
  'date-time': ['2030-01-01', '2030-02-30T12:00:00Z', '2030-01-01T25:00:00Z', '2030-01-01 12:00:00', '1893499200'],
  email: ['no-at-sign', '@example.com', 'a@b@example.com', 'a@example.com\r\nBcc: b@example.com'],
};
