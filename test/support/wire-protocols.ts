/** A frame from the client to the server. */
interface RequestFrame {
  /** The statement or command, when the frame names one. */
  readonly text?: string;
  /** True when the server will send one answer to it. */
  readonly expectsAnswer: boolean;
}

/** The part of a protocol that is needed to find statements and their answers. Stateful: one instance per connection. */
export interface Protocol {
  /** The length of the first frame in these bytes; undefined while the frame is incomplete. */
  requestLength(bytes: Buffer): number | undefined;
  answerLength(bytes: Buffer): number | undefined;
  read(frame: Buffer): RequestFrame;
  /** Whether this frame from the server is the last one of an answer. */
  endsAnswer(frame: Buffer): boolean;
}

/** PostgreSQL's messages: a letter, then the length of what follows it (protocol 3.0, "Message Formats"). */
export function postgres(): Protocol {
  const statements = new Map<string, string>();
  let started = false;
  const messageLength = (bytes: Buffer) => ifComplete(bytes, bytes.length < 5 ? undefined : 1 + bytes.readInt32BE(1));
  return {
    // The first message, which starts the session, has no letter.
    requestLength: (bytes) =>
      started ? messageLength(bytes) : ifComplete(bytes, bytes.length < 4 ? undefined : bytes.readInt32BE(0)),
    answerLength: messageLength,
    read: (frame) => {
      if (!started) {
        started = true;
        return { expectsAnswer: true };
      }
      const [first = '', second = ''] = frame.subarray(5).toString('utf8').split('\0');
      switch (frame.toString('latin1', 0, 1)) {
        case 'Q':
          return { text: first, expectsAnswer: true };
        case 'P': // Parse: the statement's name, its text
          statements.set(first, second);
          return { text: second, expectsAnswer: false };
        case 'B': // Bind: the portal's name, the statement's
          return { text: statements.get(second), expectsAnswer: false };
        case 'S': // Sync, which ReadyForQuery answers
          return { expectsAnswer: true };
        default:
          return { expectsAnswer: false };
      }
    },
    endsAnswer: (frame) => frame.toString('latin1', 0, 1) === 'Z',
  };
}

/** RESP, versions 2 and 3: commands are arrays of strings; every command has one answer. */
export function redis(): Protocol {
  const length = (bytes: Buffer) => respEnd(bytes, 0);
  return {
    requestLength: length,
    answerLength: length,
    read: (frame) => ({ text: commandOf(frame), expectsAnswer: true }),
    // A push message is not an answer to a command.
    endsAnswer: (frame) => kindOf(frame, 0) !== '>',
  };
}

/** HTTP/1.1 with one request at a time on a connection, as the tests' clients use it. A frame is one received chunk. */
export function http(): Protocol {
  return {
    requestLength: (bytes) => bytes.length,
    answerLength: (bytes) => bytes.length,
    read: (frame) => {
      const line = /^[A-Z]+ \S+ HTTP\/1\.1/.exec(frame.toString('latin1', 0, 200))?.[0];
      return { text: line, expectsAnswer: line !== undefined };
    },
    endsAnswer: (frame) => frame.toString('latin1', 0, 9) === 'HTTP/1.1 ',
  };
}

function ifComplete(bytes: Buffer, length: number | undefined): number | undefined {
  return length === undefined || bytes.length < length ? undefined : length;
}

/** The position after the RESP value that begins at `start`; undefined while the value is incomplete. */
function respEnd(bytes: Buffer, start: number): number | undefined {
  const lineEnd = bytes.indexOf('\r\n', start);
  if (lineEnd < 0) return undefined;
  const kind = kindOf(bytes, start);
  const count = Number(bytes.toString('latin1', start + 1, lineEnd));
  let end = lineEnd + 2;
  if ('$!='.includes(kind)) return count < 0 ? end : ifComplete(bytes, end + count + 2);
  const items = '*~>'.includes(kind) ? count : kind === '%' ? 2 * count : 0;
  for (let item = 0; item < items; item += 1) {
    const next = respEnd(bytes, end);
    if (next === undefined) return undefined;
    end = next;
  }
  return end;
}

function kindOf(bytes: Buffer, start: number): string {
  return bytes.toString('latin1', start, start + 1);
}

function commandOf(frame: Buffer): string {
  const lines = frame.toString('latin1').split('\r\n');
  return lines
    .filter((_, index) => index % 2 === 0 && index > 0)
    .join(' ')
    .trim();
}
