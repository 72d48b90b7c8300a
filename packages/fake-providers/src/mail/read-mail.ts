/** A mail as the catcher received it. */
export interface CaughtMail {
  /** The envelope's sender and recipients. */
  readonly from: string;
  readonly to: readonly string[];
  /** Keys are lower-case names; values are unfolded. The values of a repeated header are joined with line feeds. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly html: string;
  readonly raw: string;
}

/** Parses only what our own mails contain: headers, and one multipart/alternative with text and HTML. */
export function readMail(bytes: Buffer, from: string, to: readonly string[]): CaughtMail {
  const raw = bytes.toString('latin1');
  const { headers, body } = split(raw);
  const boundary = /boundary="?([^";]+)"?/.exec(headers['content-type'] ?? '')?.[1];
  const parts = boundary === undefined ? [raw] : body.split(`--${boundary}`).slice(1, -1);
  const ofType = (type: string) => {
    const part = parts
      .map((one) => split(one.replace(/^\r\n/, '')))
      .find((one) => one.headers['content-type']?.startsWith(type));
    return part === undefined ? '' : decode(part.body, part.headers['content-transfer-encoding']);
  };
  return { from, to, headers, text: ofType('text/plain'), html: ofType('text/html'), raw };
}

function split(part: string): { headers: Record<string, string>; body: string } {
  const [head = '', body = ''] = part.split(/\r\n\r\n(.*)/s);
  const headers: Record<string, string> = {};
  for (const line of head.replace(/\r\n[ \t]+/g, ' ').split('\r\n')) {
    const [, name = '', value = ''] = /^([^:]+):\s*(.*)$/.exec(line) ?? [];
    const key = name.toLowerCase();
    headers[key] = headers[key] === undefined ? value : `${headers[key]}\n${value}`;
  }
  return { headers, body };
}

function decode(body: string, encoding = '7bit'): string {
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString();
  if (encoding !== 'quoted-printable') return Buffer.from(body, 'latin1').toString();
  const joined = body.replace(/=\r\n/g, '');
  const plain = joined.replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(plain, 'latin1').toString();
}
