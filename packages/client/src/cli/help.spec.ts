import { describe, expect, it } from 'vitest';
import { type Io, processIo } from './io.js';
import { runVpn } from './program.js';

async function vpn(args: readonly string[]): Promise<{ code: number; out: string }> {
  const out: string[] = [];
  const io: Io = { ...processIo(), print: (line) => void out.push(line) };
  return { code: await runVpn(args, io), out: out.join('\n') };
}

describe('vpn --help', () => {
  it.each([
    [['--help']],
    [['connect', '--help']],
    [['login', '--help']],
    [['wallet', 'prefetch', '--help']],
    [['account', '--help']],
    [['account', 'email', '--help']],
    [['account', 'devices', '--help']],
    [['account', 'devices', 'remove', '--help']],
    [['account', 'history', '--help']],
    [['account', 'audit', '--help']],
    [['account', 'preferences', '--help']],
    [['account', 'preferences', 'set', '--help']],
    [['account', 'notifications', '--help']],
    [['account', 'notifications', 'set', '--help']],
    [['account', 'export', '--help']],
    [['account', 'signout-everywhere', '--help']],
    [['account', 'delete', '--help']],
  ])('shows an example for %j', async (args) => {
    const { code, out } = await vpn(args);
    expect(code).toBe(0);
    expect(out).toMatch(/Examples:|For example/);
  });

  it('lists the exit codes', async () => {
    expect((await vpn(['--help'])).out).toMatch(/Exit codes:\n {2}0 success/);
  });
});
