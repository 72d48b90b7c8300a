import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** A name that may be blocked: at least two labels, as in a certificate. */
const domain = /^(?=.{4,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/;

/** What hosts files say of the machine itself. */
const notBlocked = new Set(['localhost.localdomain', 'local.localdomain']);

/**
 * Names of a block list, each with all names below it: a name a line, or a line of a hosts file (`0.0.0.0 name`); comments
 * begin with #. What is neither is passed over.
 */
export async function* readBlockList(path: string): AsyncGenerator<string> {
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    const name = blockedName(line);
    if (name !== undefined) yield name;
  }
}

export function blockedName(line: string): string | undefined {
  const [first = '', second] = line.replace(/#.*/, '').trim().split(/\s+/);
  const name = (second ?? first)
    .toLowerCase()
    .replace(/^\*?\./, '')
    .replace(/\.$/, '');
  return domain.test(name) && !notBlocked.has(name) ? name : undefined;
}
