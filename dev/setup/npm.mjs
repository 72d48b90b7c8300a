import { processStat, readOrNothing } from './process-stat.mjs';

/**
 * Returns a function that says whether the npm that started this process still runs. A killed npm cannot forward the signal, and
 * a shell between npm and the script may not notice. Without /proc, only the parent process is checked.
 */
export function npmWatch() {
  if (process.env.npm_lifecycle_event === undefined) return () => true;
  const parent = process.ppid;
  const npm = [parent, parentOf(parent)].find((pid) => commandLineOf(pid).startsWith('npm'));
  return () => process.ppid === parent && (npm === undefined || commandLineOf(npm).startsWith('npm'));
}

const parentOf = (pid) => Number(processStat(pid)[1]);

const commandLineOf = (pid) => readOrNothing(`/proc/${pid}/cmdline`);
