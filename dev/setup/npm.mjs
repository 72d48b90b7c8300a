import { processStat, readOrNothing } from './process-stat.mjs';

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

const parentOf = (pid) => Number(processStat(pid)[1]);

const commandLineOf = (pid) => readOrNothing(`/proc/${pid}/cmdline`);
