import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createClient } from '@vpn-backend/client';
import { EdgeNode } from '../lab/edge-node.js';
import { Internet, startDevice, startWebsite } from '../lab/lab.js';
import { labScript, whyNoTunnel } from '../lab/why-no-tunnel.js';
import { endWithThisProcess } from '../services/reaper.js';
import { operatorOf } from '../stack/operator.js';
import { projectId, type Stack } from '../stack/stack.js';
import { check, type Narrator } from './narrator.js';
import { signUp } from './user.js';

/** In the lab, the demo ends with a real tunnel. Elsewhere it prints why there is none. */
const inLab = process.env.DEMO_LAB === '1';

/** Runs the demo again in the lab. @returns its exit code; undefined in the lab, or where real tunnels are not possible */
export async function enterLab(program: string): Promise<number | undefined> {
  if (inLab || whyNoTunnel() !== undefined) return undefined;
  const child = spawn('sh', [labScript, process.execPath, program], {
    stdio: 'inherit',
    env: { ...process.env, DEMO_LAB: '1' },
  });
  endWithThisProcess(child.pid);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill('SIGKILL'));
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

/** Settings of the stack that let machines of the lab reach it. */
export const labSettings: Record<string, string> = inLab ? { HOST: '0.0.0.0' } : {};

/** Fetches a page through a real tunnel, between a real device, node and website, each on its own machine of the lab. */
export async function showTunnel(stack: Stack, narrator: Narrator): Promise<void> {
  if (!inLab) {
    console.log(`\n        No real tunnel on this machine: ${whyNoTunnel()}`);
    return;
  }
  const location = 'is-reykjavik';
  const [node, website, device, backendUrl] = await narrator.step(
    'internet',
    'Build the lab’s own Internet',
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
  await narrator.step('realNode', 'Start a real node: WireGuard, firewall, resolver, agent', async () => {
    const operator = operatorOf(stack.env);
    const place = ['--country', 'IS', '--city', 'Reykjavik', '--latitude', '64.15', '--longitude', '-21.94'];
    await operator('locations', 'add', location, ...place);
    const { token } = await operator<{ token: string }>('enrolment', 'create', location, '--uses', '1');
    await EdgeNode.start({ machine: node, backendUrl, enrolmentToken: token, locationId: location, device: 'vpn0' });
  });
  const user = await signUp(stack.firebase.url, projectId, 'grace@example.com');
  const { url } = stack.service;
  const account = createClient({ gatekeeperUrl: url, anonymizerUrl: url, getIdToken: () => user.idToken() });
  await account.startTrial();
  const [token] = await account.fetchTokens(1);
  check(token !== undefined, 'a token was signed');
  await startWebsite(website);
  const phone = await startDevice(device, backendUrl);
  const page = `http://${website.v4}/`;
  check((await phone.fetch(page, 3_000)) === device.v4, 'without a tunnel the website sees the device');
  const { seen } = await narrator.step(
    'tunnel',
    'Spend a token on the device and fetch a page through the tunnel',
    () => phone.timeToFirstReply(token, location, page),
  );
  check(seen === node.v4, 'the website sees the node');
  narrator.learned('website', `the request came from ${seen}, the node; the device is ${device.v4}`);
}
