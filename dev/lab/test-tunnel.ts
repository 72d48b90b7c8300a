import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { endWithThisProcess } from '../services/reaper.js';
import { labScript, whyNoTunnel } from './why-no-tunnel.js';

/** `npm run test:tunnel`: runs the tests that need root and real network devices, in the lab. */
async function main(): Promise<number> {
  const reason = whyNoTunnel();
  if (reason !== undefined) {
    const required = process.env.REQUIRE_TUNNEL === '1';
    console.error(`\n${required ? 'FAILED' : 'SKIPPED'}: tests with real WireGuard tunnels: ${reason}.\n`);
    return required ? 1 : 0;
  }
  const vitest = ['vitest', 'run', '--mode', 'tunnel', ...process.argv.slice(2)];
  const child = spawn('sh', [labScript, ...vitest], { stdio: 'inherit' });
  endWithThisProcess(child.pid);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill('SIGKILL'));
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

process.exitCode = await main();
