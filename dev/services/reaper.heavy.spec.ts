import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isAlive, type ProcessIdentity } from './process-identity.js';

const reaper = pathToFileURL('dist/dev/services/reaper.js').href;
const identity = pathToFileURL('dist/dev/services/process-identity.js').href;

let folder: string;
let launcher: ChildProcess;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'reaper-test-'));
});
afterEach(() => {
  launcher.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** Starts a launcher that runs `script`, sends its result and then waits. */
async function launch<T>(script: string): Promise<T> {
  const text = `
    import { spawn } from 'node:child_process';
    import { once } from 'node:events';
    const { endWithThisProcess, removeWithThisProcess } = await import(${JSON.stringify(reaper)});
    const { identify } = await import(${JSON.stringify(identity)});
    const sh = async (text) => {
      const child = spawn('sh', ['-c', text], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
      const [said] = await once(child.stdout, 'data');
      return [child.pid, ...String(said).trim().split(' ').filter((word) => word !== 'ready').map(Number)];
    };
    process.send(await (async () => { ${script} })());
    setInterval(() => undefined, 1_000);`;
  launcher = spawn(process.execPath, ['--input-type=module', '-e', text], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const [result] = (await once(launcher, 'message')) as [T];
  return result;
}

async function expectToEnd(processes: readonly ProcessIdentity[]): Promise<void> {
  expect(processes.filter(isAlive)).toEqual(processes);
  launcher.kill('SIGKILL');
  await expect.poll(() => processes.filter(isAlive), { timeout: 30_000 }).toEqual([]);
}

describe('the reaper of a killed launcher', { timeout: 60_000 }, () => {
  it('ends a process and its group, also a process that ignores SIGTERM', async () => {
    const processes = await launch<ProcessIdentity[]>(`
      const [leader, member] = await sh('sleep 300 & echo $!; wait');
      const [stubborn] = await sh('trap "" TERM; echo ready; while :; do sleep 1; done');
      endWithThisProcess(leader, 'SIGTERM');
      endWithThisProcess(stubborn, 'SIGTERM');
      return [leader, member, stubborn].map(identify);`);
    await expectToEnd(processes);
  });

  it('removes its folders, and continues when it cannot remove one', async () => {
    const processes = await launch<ProcessIdentity[]>(`
      const [pid] = await sh('echo ready; exec sleep 300');
      removeWithThisProcess('/proc/self');
      removeWithThisProcess(${JSON.stringify(folder)});
      endWithThisProcess(pid);
      return [identify(pid)];`);
    await expectToEnd(processes);
    await expect.poll(() => existsSync(folder)).toBe(false);
  });
});
