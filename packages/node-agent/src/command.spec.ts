import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commandsIn, type Run } from './command.js';

let folder: string;
let run: Run;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vpn-node-'));
  run = commandsIn(folder);
});
afterEach(() => rm(folder, { recursive: true }));

describe('a command', () => {
  it('gets its input by /dev/stdin and by reading, and no file is left of it', async () => {
    expect(await run('cat', ['/dev/stdin', '-'], { input: 'secret' })).toBe('secretsecret');
    expect(await run('ls', ['-A', folder], { input: 'secret' })).toBe('');
    expect(await readdir(folder)).toEqual([]);
  });

  it('gets its arguments as they are, whatever a shell would make of them', async () => {
    expect(await run('printf', ['%s', '$(id); `id` > x'])).toBe('$(id); `id` > x');
  });

  it('gets nothing of this process’s environment', async () => {
    process.env['TEST_SECRET'] = 'secret';
    expect(await run('env', [])).not.toContain('secret');
    delete process.env['TEST_SECRET'];
  });

  it('fails with what the program said, unless that is confidential', async () => {
    await expect(run('ls', ['/nowhere'])).rejects.toMatchObject({
      program: 'ls',
      complaint: expect.stringContaining('/nowhere') as string,
      exitCode: 2,
    });
    await expect(run('ls', ['/nowhere'], { confidential: true })).rejects.toMatchObject({
      message: 'ls failed',
      complaint: '',
    });
  });

  it('fails when there is no such program, and when it takes too long', async () => {
    await expect(run('no-such-program', [])).rejects.toThrow('could not be started');
    await expect(run('sleep', ['60'], { timeoutMs: 50 })).rejects.toMatchObject({ exitCode: undefined });
  });
});
