import { fileURLToPath } from 'node:url';
import { type Device } from './device.js';
import { Internet, type Machine } from './internet.js';
import { type Namespace } from './namespaces.js';
import { remoteOf, type Remote } from './remote.js';

// Tests run from the sources; their build is in dist/.
const built = import.meta.url.endsWith('.ts') ? '../../dist/dev/lab/' : './';
const programOf = (name: string) => fileURLToPath(new URL(`${built}${name}.js`, import.meta.url));

export { Internet, type Machine };

/** Starts a website on its own machine. It answers with the client's address. */
export async function startWebsite(machine: Namespace): Promise<void> {
  const child = machine.spawn(process.execPath, [programOf('website')], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await remoteOf(child);
}

/** Starts a user's device on its own machine. */
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
  return remoteOf<Device>(child);
}

/** Sends ten pings a second from a machine until `stop`, which returns how many were not answered. */
export function startPings(machine: Machine, target: string): { stop: () => Promise<{ sent: number; lost: number }> } {
  const child = machine.spawn('ping', ['-i', '0.1', '-n', target], { stdio: ['ignore', 'pipe', 'ignore'] });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const closed = new Promise((resolve) => child.once('close', resolve));
  return {
    stop: async () => {
      // On SIGINT, ping prints its totals.
      child.kill('SIGINT');
      await closed;
      const [, sent = 0, received = 0] = /(\d+) packets transmitted, (\d+) received/.exec(output) ?? [];
      // The last reply may still be on its way.
      return { sent: Number(sent), lost: Math.max(0, Number(sent) - Number(received) - 1) };
    },
  };
}
