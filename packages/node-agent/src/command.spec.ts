import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commandRunner, type Run } from './command.js';

let folder: string;
let run: Run;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vpn-node-'));
  run = commandRunner(folder);
});
afterEach(() => rm(folder, { recursive: true }));

describe('commandRunner', () => {
  it('passes input by /dev/stdin and by standard input, and leaves no file', async () => {
    expect(await run('cat', ['/dev/stdin', '-'], { input: 'secret' })).toBe('secretsecret');
    expect(await run('ls', ['-A', folder], { input: 'secret' })).toBe('');
    expect(await readdir(folder)).toEqual([]);
  });

  it('passes arguments unchanged, without a shell', async () => {
    expect(await run('printf', ['%s', '$(id); `id` > x'])).toBe('$(id); `id` > x');
  });

  it('passes nothing of this process’s environment', async () => {
    process.env['TEST_SECRET'] = 'secret';
    expect(await run('env', [])).not.toContain('secret');
    delete process.env['TEST_SECRET'];
  });

  it('fails with the first line of standard error, unless that is confidential', async () => {
    await expect(run('ls', ['/nowhere'])).rejects.toMatchObject({
      program: 'ls',
      firstErrorLine: expect.stringContaining('/nowhere') as string,
      exitCode: 2,
    });
    await expect(run('ls', ['/nowhere'], { confidential: true })).rejects.toMatchObject({
      message: 'ls failed',
      firstErrorLine: '',
    });
  });

  it('fails when the program does not exist or exceeds the timeout', async () => {
    await expect(run('no-such-program', [])).rejects.toThrow('could not be started');
    await expect(run('sleep', ['60'], { timeoutMs: 50 })).rejects.toMatchObject({ exitCode: undefined });
  });
});
