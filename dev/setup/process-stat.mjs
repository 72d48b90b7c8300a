import { readFileSync } from 'node:fs';

/** Like dev/services/process-stat.ts, which is not built yet during set-up. Returns no fields when there is no such process. */
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
