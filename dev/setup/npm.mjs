import { readFileSync } from 'node:fs';

/**
 * Whether the npm that started this process still runs. Killed without warning it cannot pass that on, and between it and a
 * script there may be a shell that does not notice. Where there is no /proc, the parent alone is looked at.
 */
export function npmWatch() {
  if (process.env.npm_lifecycle_event === undefined) return () => true;
  const parent = process.ppid;
  const npm = [parent, parentOf(parent)].find((pid) => commandLineOf(pid).startsWith('npm'));
  return () => process.ppid === parent && (npm === undefined || commandLineOf(npm).startsWith('npm'));
}

function parentOf(pid) {
  const stat = read(`/proc/${pid}/stat`);
  // The second field is the command in parentheses and may itself hold spaces and parentheses (proc(5)).
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

const commandLineOf = (pid) => read(`/proc/${pid}/cmdline`);

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
