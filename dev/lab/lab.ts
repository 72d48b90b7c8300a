import { fileURLToPath } from 'node:url';
import { type Device } from './device.js';
import { Internet, type Machine } from './internet.js';
import { type Namespace } from './namespaces.js';
import { callerOf, type Remote } from './remote.js';

// Tests run from the sources, whose build is in dist/.
const built = import.meta.url.endsWith('.ts') ? '../../dist/dev/lab/' : './';
const programOf = (name: string) => fileURLToPath(new URL(`${built}${name}.js`, import.meta.url));

export { Internet, type Machine };

/** A website on a machine of its own; it tells who it sees. */
export async function startWebsite(machine: Namespace): Promise<void> {
  const child = machine.spawn(process.execPath, [programOf('website')], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await callerOf(child);
}

/** Somebody's device on a machine of its own. */
export async function startDevice(machine: Machine, backendUrl: string): Promise<Remote<Device>> {
  const child = machine.spawn(process.execPath, [programOf('device')], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: {
      PATH: process.env.PATH,
      LAB_BACKEND: backendUrl,
      LAB_DEVICE: machine.name.slice(0, 15),
      LAB_GATEWAYS: machine.gateways.join(),
    },
  });
  return callerOf<Device>(child);
}

/** Pings from a machine, ten a second, until `stop`, which tells how many got no answer. */
export function startPings(machine: Machine, target: string): { stop: () => Promise<{ sent: number; lost: number }> } {
  const child = machine.spawn('ping', ['-i', '0.1', '-n', target], { stdio: ['ignore', 'pipe', 'ignore'] });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const closed = new Promise((resolve) => child.once('close', resolve));
  return {
    stop: async () => {
      // As Ctrl-C: it prints its sums.
      child.kill('SIGINT');
      await closed;
      const [, sent = 0, received = 0] = /(\d+) packets transmitted, (\d+) received/.exec(output) ?? [];
      // The last may still be under way.
      return { sent: Number(sent), lost: Math.max(0, Number(sent) - Number(received) - 1) };
    },
  };
}
