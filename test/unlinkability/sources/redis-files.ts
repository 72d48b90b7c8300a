import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

const asterisk = '*'.charCodeAt(0);
const hash = '#'.charCodeAt(0);

/** Every file that Redis wrote, as lines. An append-only file has a command on each line; other files have their readable texts. */
export function readRedisFiles(folder: string): { readonly name: string; readonly lines: readonly string[] }[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ name: relative(folder, path), lines: linesOf(readFileSync(path)) }));
}

function linesOf(bytes: Buffer): string[] {
  if (bytes[0] === asterisk || bytes[0] === hash) return commandsOf(bytes);
  // A snapshot (dump.rdb): keys and values are plain bytes in it, unless they repeat themselves enough to be compressed.
  return bytes.toString('latin1').split(/[^\x20-\x7e]+/);
}

/**
 * The commands of an append-only file, each with spaces between its arguments. The format is that of Redis's protocol (RESP):
 * `*2\r\n$3\r\nGET\r\n$1\r\na\r\n`. `#TS:<seconds>` lines may stand between commands. The end may be cut off.
 */
export function commandsOf(bytes: Buffer): string[] {
  const commands: string[] = [];
  let offset = 0;
  const line = () => {
    const end = bytes.indexOf('\r\n', offset);
    const text = bytes.toString('latin1', offset, end === -1 ? bytes.length : end);
    offset = end === -1 ? bytes.length : end + 2;
    return text;
  };
  while (offset < bytes.length) {
    const head = line();
    if (!/^\*\d+$/.test(head)) {
      commands.push(head);
      continue;
    }
    const words: string[] = [];
    for (let left = Number(head.slice(1)); left > 0 && bytes[offset] !== asterisk; left -= 1) {
      const length = Number(line().slice(1));
      if (!Number.isInteger(length)) break;
      words.push(bytes.toString('latin1', offset, offset + length));
      offset += length + 2;
    }
    commands.push(words.join(' '));
  }
  return commands;
}
