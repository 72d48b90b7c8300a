import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { endWithThisProcess } from '../services/reaper.js';
import { labDoor, whyNoTunnel } from './why-no-tunnel.js';

/** `npm run test:tunnel`: the tests that need root and real network devices, in a world of their own. */
async function main(): Promise<number> {
  const why = whyNoTunnel();
  if (why !== undefined) {
    const required = process.env.REQUIRE_TUNNEL === '1';
    console.error(`\n${required ? 'FAILED' : 'SKIPPED'}: the tests with real WireGuard tunnels: ${why}.\n`);
    return required ? 1 : 0;
  }
  const vitest = ['vitest', 'run', '--mode', 'tunnel', ...process.argv.slice(2)];
  const child = spawn('sh', [labDoor, ...vitest], { stdio: 'inherit' });
  endWithThisProcess(child.pid);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill('SIGKILL'));
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

process.exitCode = await main();
