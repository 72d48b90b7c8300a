import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type FakeFirebase } from '@vpn-backend/fake-providers/firebase';
import { freePort } from '../../../dev/services/server-process.js';
import { type Stack, startStack } from '../../../dev/stack/stack.js';
import { type Side } from '../evidence.js';
import { Control } from './control.js';
import { type ClockEnvironment } from './preload/simulated-clock.js';
import { type ServiceClock } from './service-clock.js';

/** `all`: both sides in one process, on one PostgreSQL and one Redis. `split`: each side has its own. */
export type Shape = 'all' | 'split';

type Role = 'all' | 'gatekeeper' | 'anonymizer';

/** One process of the service, with its stores. */
export interface RunningStack extends Stack {
  readonly role: Role;
  readonly sides: readonly Side[];
  readonly control: Control;
  /** What Prometheus reads. */
  metrics(): Promise<string>;
}

export interface Stacks {
  /** The gatekeeper's first: the anonymizer reads its keys. */
  readonly all: readonly RunningStack[];
  readonly identity: RunningStack;
  readonly network: RunningStack;
  readonly firebase: FakeFirebase;
  stop(): Promise<void>;
}

export interface StacksOptions {
  readonly shape: Shape;
  readonly clock: ServiceClock;
  /** Plants leaks in the processes. */
  readonly plants: boolean;
}

const sidesOf: Readonly<Record<Role, readonly Side[]>> = {
  all: ['identity', 'network'],
  gatekeeper: ['identity'],
  anonymizer: ['network'],
};

/** The product's default settings, but the world is a proxy that tells each user's address. */
const settings = {
  TRUST_PROXY: '127.0.0.1/32',
  NODE_COMPILE_CACHE: join(tmpdir(), 'vpn-backend-compile-cache'),
};

export async function startStacks(options: StacksOptions): Promise<Stacks> {
  if (options.shape === 'all') {
    const stack = await start('all', options);
    return { all: [stack], identity: stack, network: stack, firebase: stack.firebase, stop: () => stack.stop() };
  }
  const port = await freePort();
  const locations = `http://127.0.0.1:${port}/vpn/locations`;
  const identity = await start('gatekeeper', options, { LOCATIONS_URL: locations });
  const stopIdentity = () => identity.stop();
  const directory = `${identity.service.url}/.well-known/private-token-issuer-directory`;
  const network = await start('anonymizer', options, { PORT: String(port), ISSUER_DIRECTORY_URL: directory }).catch(
    async (error: unknown) => {
      await stopIdentity();
      throw error;
    },
  );
  const stop = async () => void (await Promise.all([network.stop(), stopIdentity()]));
  return { all: [identity, network], identity, network, firebase: identity.firebase, stop };
}

const preload = (name: string) => `--import=${fileURLToPath(new URL(`./preload/${name}.ts`, import.meta.url))}`;

async function start(
  role: Role,
  { clock, plants }: StacksOptions,
  env: Readonly<Record<string, string>> = {},
): Promise<RunningStack> {
  const [controlPort, metricsPort] = [await freePort(), await freePort()];
  const clockEnv: ClockEnvironment = {
    WORLD_CLOCK_OFFSET_MS: String(clock.offsetMs),
    WORLD_CONTROL_PORT: String(controlPort),
  };
  const preloads = [preload('simulated-clock'), ...(plants ? [preload('leaks')] : [])];
  const stack = await startStack({
    clock,
    env: {
      ...settings,
      ...clockEnv,
      // An hour's requests of the nodes come within a second.
      ...(role !== 'gatekeeper' && { RATE_LIMIT_NODE_PER_MINUTE: '0' }),
      SERVICE_ROLE: role,
      METRICS_PORT: String(metricsPort),
      NODE_OPTIONS: preloads.join(' '),
      ...env,
    },
  });
  const control = await Control.connect(controlPort);
  await clock.drive(control);
  return {
    ...stack,
    role,
    sides: sidesOf[role],
    control,
    metrics: async () => (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text(),
    stop: async () => {
      control.close();
      await stack.stop();
    },
  };
}
