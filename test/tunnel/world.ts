import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import pg from 'pg';
import { createClient, type VpnToken } from '@vpn-backend/client';
import { operatorOf } from '../../dev/stack/operator.js';
import { type ServiceProcess, startService } from '../../dev/stack/service-process.js';
import { projectId, type Stack, startStack } from '../../dev/stack/stack.js';
import { signUp } from '../../dev/demo/user.js';
import { EdgeNode } from '../../dev/lab/edge-node.js';
import { Internet, type Machine, startDevice, startWebsite } from '../../dev/lab/lab.js';
import { addNamespace, connect, type Namespace } from '../../dev/lab/namespaces.js';

export const location = 'de-frankfurt';
const listOf = (name: string) => resolve('test/tunnel/block-lists', name);

/** Starts the service, a website, two machines for nodes, and two devices, all on the lab's Internet. */
export async function buildWorld() {
  const internet = await Internet.open();
  const own = await internet.join();
  // One device makes as many requests in a minute here as a user makes in a month.
  const stack = await startStack({
    env: { HOST: '0.0.0.0', RATE_LIMIT_NETWORK_ADDRESS_PER_MINUTE: '100000', NODE_ACK_TIMEOUT_MS: '4000' },
  });
  const { port } = new URL(stack.service.url);
  const backendUrl = `http://${own.v4}:${port}`;
  const operator = operatorOf(stack.env);
  const place = ['--country', 'DE', '--city', 'Frankfurt', '--latitude', '50.11', '--longitude', '8.68'];
  await operator('locations', 'add', location, ...place);
  await operator('plans', 'set', 'standard', '--name', 'Standard', '--daily-tokens', '1000');

  const website = await internet.add('website');
  await startWebsite(website);
  await startAuthority(website);
  const machines = [await internet.add('node-one'), await internet.add('node-two')] as const;
  const management = await addManagement(machines[0]);
  await startWebsite(machines[0]);
  const nodeOn = async (machine: Machine, settings: Record<string, string> = {}) => {
    const { token } = await operator<{ token: string }>('enrolment', 'create', location, '--uses', '1');
    return EdgeNode.start({
      machine,
      backendUrl,
      enrolmentToken: token,
      locationId: location,
      device: machine.name,
      settings: {
        DNS_FORWARD_TO: website.v4,
        DNS_ADS: listOf('ads.txt'),
        DNS_TRACKERS_MALWARE: listOf('trackers-malware.txt'),
        ...settings,
      },
    });
  };
  const owner = new pg.Client(stack.services.ownerUrl);
  await owner.connect();
  const devices = [await internet.add('device-a'), await internet.add('device-b')] as const;
  return {
    stack,
    backendUrl,
    operator,
    owner,
    website,
    machines,
    management,
    nodeOn,
    devices,
    device: await startDevice(devices[0], backendUrl),
    neighbour: await startDevice(devices[1], backendUrl),
    service: new Service(stack, port),
    tokens: await tokenSource(stack),
    disconnect: disconnecting(backendUrl),
  };
}

export type World = Awaited<ReturnType<typeof buildWorld>>;

/** The service. A test can kill it and start it again at the same address. */
class Service {
  #process: ServiceProcess;
  #running = true;
  #log = '';

  constructor(
    private readonly stack: Stack,
    private readonly port: string,
  ) {
    this.#process = stack.service;
  }

  async kill(): Promise<void> {
    this.#running = false;
    await this.#process.kill();
    this.#log += `${this.#process.log()}\n`;
  }

  /** Does nothing when it is running. */
  async start(): Promise<void> {
    if (this.#running) return;
    this.#process = await startService({ ...this.stack.env, PORT: this.port });
    this.#running = true;
  }

  /** The log of all its processes. */
  log(): string {
    return this.#log + this.#process.log();
  }
}

/** Signs up a user with a subscription. Returns a function that fetches a token. */
async function tokenSource({ firebase, service }: Stack): Promise<() => Promise<VpnToken>> {
  const user = await signUp(firebase.url, projectId, 'ada@example.com');
  const { url } = service;
  const client = createClient({ gatekeeperUrl: url, anonymizerUrl: url, getIdToken: () => user.idToken() });
  await client.startTrial();
  const wallet: VpnToken[] = [];
  return async () => {
    if (wallet.length === 0) wallet.push(...(await client.fetchTokens(32)));
    return wallet.pop()!;
  };
}

/** Ends connections from outside the tunnel, because an answer could not pass a tunnel that has just closed. */
function disconnecting(url: string): (secret: string) => Promise<void> {
  const getIdToken = () => Promise.reject(new Error('no identity'));
  const client = createClient({ gatekeeperUrl: url, anonymizerUrl: url, getIdToken });
  return (secret) => client.disconnect(secret);
}

/** Starts the lab's name server. It has a few names, all with the website's address. */
async function startAuthority(website: Machine): Promise<void> {
  const names = ['www.example', 'ads.example', 'cdn.ads.example', 'tracker.example'];
  const config = [
    'server:',
    `  interface: ${website.v4}`,
    '  access-control: 0.0.0.0/0 allow',
    ...['username', 'chroot', 'pidfile'].map((key) => `  ${key}: ""`),
    '  do-daemonize: no',
    '  use-syslog: no',
    '  local-zone: "example." static',
    ...names.map((name) => `  local-data: "${name}. A ${website.v4}"`),
  ].join('\n');
  website.spawn(
    'sh',
    ['-c', 'printf "%s\n" "$1" > /var/tmp/authority.conf; exec unbound -c /var/tmp/authority.conf', 'sh', config],
    {
      stdio: 'ignore',
    },
  );
}

/** Adds a private network behind a node, with a machine that answers every request. Clients must not reach it. */
async function addManagement(node: Machine): Promise<Namespace & { v4: string }> {
  const management = await addNamespace('management');
  await connect(
    { of: node, device: 'mgmt0', addresses: ['10.99.0.1/24'] },
    { of: management, device: 'eth0', addresses: ['10.99.0.2/24'] },
  );
  await management.run('ip', 'route', 'add', 'default', 'via', '10.99.0.1');
  await startWebsite(management);
  return { ...management, v4: '10.99.0.2' };
}

/** Resident memory of a process, in megabytes. */
export async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
}
