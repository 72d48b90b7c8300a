import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createClient } from '@vpn-backend/client';
import { EdgeNode } from '../lab/edge-node.js';
import { Internet, startDevice, startWebsite } from '../lab/lab.js';
import { labDoor, whyNoTunnel } from '../lab/why-no-tunnel.js';
import { endWithThisProcess } from '../services/reaper.js';
import { operatorOf } from '../stack/operator.js';
import { projectId, type Stack } from '../stack/stack.js';
import { must, type Narrator } from './narrator.js';
import { signUp } from './person.js';

/** In the lab, the demo ends with a real tunnel; elsewhere it says why it does not. */
const inLab = process.env.DEMO_LAB === '1';

/** Where real tunnels can be built, runs the demo again in a world of its own. @returns its exit code */
export async function enterLab(program: string): Promise<number | undefined> {
  if (inLab || whyNoTunnel() !== undefined) return undefined;
  const child = spawn('sh', [labDoor, process.execPath, program], {
    stdio: 'inherit',
    env: { ...process.env, DEMO_LAB: '1' },
  });
  endWithThisProcess(child.pid);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill('SIGKILL'));
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

/** What the stack needs so that machines of the lab can reach it. */
export const labSettings: Record<string, string> = inLab ? { HOST: '0.0.0.0' } : {};

/** A real node, a real device and a website, each on a machine of its own, and a page through the tunnel between them. */
export async function showTunnel(stack: Stack, tell: Narrator): Promise<void> {
  if (!inLab) {
    console.log(`\n        No real tunnel on this machine: ${whyNoTunnel()}`);
    return;
  }
  const location = 'is-reykjavik';
  const [node, website, device, backendUrl] = await tell.step(
    'internet',
    'Lay an Internet of the lab’s own',
    async () => {
      const internet = await Internet.open();
      const { v4 } = await internet.join();
      return [
        await internet.add('node'),
        await internet.add('website'),
        await internet.add('device'),
        `http://${v4}:${new URL(stack.service.url).port}`,
      ] as const;
    },
  );
  await tell.step('realNode', 'Start a real node: WireGuard, firewall, resolver, agent', async () => {
    const operator = operatorOf(stack.env);
    const place = ['--country', 'IS', '--city', 'Reykjavik', '--latitude', '64.15', '--longitude', '-21.94'];
    await operator('locations', 'add', location, ...place);
    const { token } = await operator<{ token: string }>('enrolment', 'create', location, '--uses', '1');
    await EdgeNode.start({ machine: node, backendUrl, enrolmentToken: token, locationId: location, device: 'vpn0' });
  });
  const person = await signUp(stack.firebase.url, projectId, 'grace@example.com');
  const { url } = stack.service;
  const account = createClient({ gatekeeperUrl: url, anonymizerUrl: url, getIdToken: () => person.idToken() });
  await account.startTrial();
  const [token] = await account.fetchTokens(1);
  must(token !== undefined, 'a token was signed');
  await startWebsite(website);
  const phone = await startDevice(device, backendUrl);
  const page = `http://${website.v4}/`;
  must((await phone.fetch(page, 3_000)) === device.v4, 'without a tunnel the website sees the device');
  const { seen } = await tell.step('tunnel', 'Spend a token on the device and fetch a page through the tunnel', () =>
    phone.timeToFirstReply(token, location, page),
  );
  must(seen === node.v4, 'the website sees the node');
  tell.knew('website', `asked by ${seen}, the node; the device is ${device.v4}`);
}
