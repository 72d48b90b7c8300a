import { cpuSeconds, familyCpuSeconds } from './server-process.js';
import { type Machine } from './machine.js';

/** CPU meters of all processes that work while a server is under load. */
export interface Meters {
  /** @param others pids of further processes that work for this server, by name */
  of(serverPid: number, others?: Readonly<Record<string, number>>): Readonly<Record<string, () => number>>;
}

export function metersOf({ postgresPid, redisPid }: Machine): Meters {
  const loadGenerator = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  };
  return {
    of: (serverPid, others = {}) => ({
      server: () => cpuSeconds(serverPid),
      PostgreSQL: () => familyCpuSeconds(postgresPid),
      Redis: () => cpuSeconds(redisPid),
      ...Object.fromEntries(Object.entries(others).map(([name, pid]) => [name, () => cpuSeconds(pid)])),
      'load generator': loadGenerator,
    }),
  };
}
