import { readFileSync } from 'node:fs';

/**
 * What the kernel says of a process (proc(5)), from its third field on: state, parent, … The second is the command in
 * parentheses, and may itself hold spaces and parentheses.
 *
 * @throws {Error} when there is no such process, or no /proc
 */
export function processStat(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}
