/*
 * The file is JSON: `nodes` and `edges` are flat lists of numbers, a few for each node or edge, which point into `strings`
 * (v8/src/profiler/heap-snapshot-generator.cc, HeapSnapshotJSONSerializer). A snapshot of a service has hundreds of megabytes,
 * so the lists are read from the bytes into typed arrays: JSON.parse would need gigabytes, and a string that long may not exist.
 */

export interface Meta {
  readonly node_fields: readonly string[];
  readonly node_types: readonly [readonly string[]];
  readonly edge_types: readonly [readonly string[]];
}

export function headOf(bytes: Buffer): { meta: Meta; node_count: number; edge_count: number } {
  const text = bytes.toString('latin1', 0, startOf(bytes, 'nodes')).replace(/,\s*"nodes":\[$/, '}');
  return (JSON.parse(text) as { snapshot: ReturnType<typeof headOf> }).snapshot;
}

/** In a text of the file, quotation marks are escaped, so that this cannot be found inside one. */
function startOf(bytes: Buffer, list: string): number {
  const key = `"${list}":[`;
  const found = bytes.indexOf(key);
  if (found === -1) throw new Error(`The heap snapshot has no list "${list}".`);
  return found + key.length;
}

const digitZero = '0'.charCodeAt(0);
const digitAt = (bytes: Buffer, offset: number) => (bytes[offset] ?? digitZero - 1) - digitZero;

/** Reads the numbers of a list one after another. None is negative or has a fraction. */
export class IntegerList {
  private offset: number;

  constructor(
    private readonly bytes: Buffer,
    name: string,
  ) {
    this.offset = startOf(bytes, name);
  }

  next(): number {
    const { bytes } = this;
    let { offset } = this;
    let digit = digitAt(bytes, offset);
    while (digit < 0 || digit > 9) digit = digitAt(bytes, ++offset);
    let value = 0;
    for (; digit >= 0 && digit <= 9; digit = digitAt(bytes, ++offset)) value = value * 10 + digit;
    this.offset = offset;
    return value;
  }
}

/** At most this many bytes of texts are parsed at once. */
const part = 64 * 1024 * 1024;

export function stringsOf(bytes: Buffer): string[] {
  const strings: string[] = [];
  const end = bytes.lastIndexOf(']');
  for (let start = startOf(bytes, 'strings'); start < end;) {
    // V8 ends the line after each text, and a line feed inside one is escaped.
    const cut = end - start > part ? bytes.lastIndexOf('",\n', start + part) + 1 : end;
    for (const text of JSON.parse(`[${bytes.toString('utf8', start, cut)}]`) as string[]) strings.push(text);
    start = cut + 1;
  }
  return strings;
}
