import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Evidence, type SeizedCluster, type SeizedProcess, type SeizedRedis } from '../evidence.js';
import { type RunningStack, type Stacks } from './stacks.js';

/** The stores, logs and memory of all stacks, as they are. @param folder for the heap snapshots */
export async function seizeStacks(
  { all }: Stacks,
  folder: string,
  metricsOf: (stack: RunningStack) => SeizedProcess['metrics'],
): Promise<Pick<Evidence, 'clusters' | 'redis' | 'processes' | 'logs'>> {
  const processes: SeizedProcess[] = [];
  for (const stack of all) {
    const heapFile = join(folder, `${stack.role}.heapsnapshot`);
    await stack.control.writeHeap(heapFile);
    processes.push({ name: stack.role, heapFile, metrics: metricsOf(stack) });
  }
  const nameOf = ({ sides: [first, second] }: RunningStack) => (second === undefined ? (first ?? '') : '1');
  return {
    clusters: all.map((stack): SeizedCluster => ({
      name: nameOf(stack),
      ownerUrl: stack.services.ownerUrl,
      sides: stack.sides,
    })),
    redis: all.map(({ services, ...stack }): SeizedRedis => ({
      name: nameOf({ services, ...stack }),
      url: services.redisUrl,
      folder: join(services.folder, 'redis'),
    })),
    processes,
    logs: all.flatMap((stack) => logsOf(stack, nameOf(stack))),
  };
}

function logsOf({ role, service, services }: RunningStack, name: string): Evidence['logs'] {
  const files = ['postgres', 'redis'].map((server) => join(services.folder, `${server}.log`)).filter(existsSync);
  return [
    { name: `service ${role}`, text: service.log() },
    ...files.map((file) => ({ name: `${file.split('/').at(-1) ?? ''} ${name}`, text: readFileSync(file, 'utf8') })),
  ];
}
