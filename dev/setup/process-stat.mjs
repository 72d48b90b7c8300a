import { readFileSync } from 'node:fs';

/** As dev/services/process-stat.ts, which cannot be read before the project is built; nothing where there is no such process. */
export function processStat(pid) {
  const stat = readOrNothing(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

export function readOrNothing(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
