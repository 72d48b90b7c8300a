/** The subset of DER (X.690) that OCSP needs. */
export const der = {
  sequence: (...parts: readonly Buffer[]) => tagged(0x30, Buffer.concat(parts)),
  explicit: (tag: number, part: Buffer) => tagged(0xa0 + tag, part),
  implicit: (tag: number, content: Buffer = Buffer.alloc(0)) => tagged(0x80 + tag, content),
  octets: (content: Buffer) => tagged(0x04, content),
  bits: (content: Buffer) => tagged(0x03, Buffer.concat([Buffer.of(0), content])),
  enumerated: (value: number) => tagged(0x0a, Buffer.of(value)),
  oid: (dotted: string) => tagged(0x06, oidContent(dotted)),
  time: (date: Date) => tagged(0x18, Buffer.from(date.toISOString().replace(/[-:T]|\.\d+/g, ''))),
};

function tagged(tag: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.of(tag), lengthOf(content.length), content]);
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length);
  const bytes = Buffer.from(length.toString(16).padStart(2 * Math.ceil(length.toString(16).length / 2), '0'), 'hex');
  return Buffer.concat([Buffer.of(0x80 | bytes.length), bytes]);
}

function oidContent(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return Buffer.concat([first * 40 + second, ...rest].map(base128));
}

function base128(value: number): Buffer {
  const bytes = [value & 0x7f];
  for (let left = value >> 7; left > 0; left >>= 7) bytes.unshift((left & 0x7f) | 0x80);
  return Buffer.from(bytes);
}

export interface Element {
  readonly tag: number;
  readonly content: Buffer;
  /** The content with its tag and length. */
  readonly whole: Buffer;
}

/** Splits `content` into its consecutive elements. @throws {RangeError} when one is truncated. */
export function elementsIn(content: Buffer): Element[] {
  const elements: Element[] = [];
  for (let at = 0; at < content.length;) {
    const short = content[at + 1] ?? 0;
    const extra = short < 0x80 ? 0 : short & 0x7f;
    const start = at + 2 + extra;
    const length = extra === 0 ? short : content.readUIntBE(at + 2, extra);
    if (start + length > content.length) throw new RangeError('A DER element is truncated.');
    elements.push({
      tag: content[at] ?? 0,
      content: content.subarray(start, start + length),
      whole: content.subarray(at, start + length),
    });
    at = start + length;
  }
  return elements;
}
