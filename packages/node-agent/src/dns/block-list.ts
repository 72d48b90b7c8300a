import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** A domain that can be blocked: at least two labels. */
const domain = /^(?=.{4,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/;

/** Names of the machine itself in hosts files. */
const neverBlocked = new Set(['localhost.localdomain', 'local.localdomain']);

/**
 * Yields the names of a block list; each blocks its subdomains too. A line is a name or a line of a hosts file
 * (`0.0.0.0 name`); comments begin with #. Other lines are skipped.
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
  return domain.test(name) && !neverBlocked.has(name) ? name : undefined;
}
