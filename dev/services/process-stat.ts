import { readFileSync } from 'node:fs';

/**
 * The fields of /proc/<pid>/stat (proc(5)) from the third on: state, parent, … The second field is the command in parentheses,
 * which may contain spaces and parentheses.
 *
 * @throws {Error} when there is no such process or no /proc
 */
export function processStat(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}
