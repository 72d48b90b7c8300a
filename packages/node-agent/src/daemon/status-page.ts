import { isRecord } from '../protocol.js';

/** Whether the agent accepts no new connections. */
export function isLeaving(answer: unknown): boolean {
  return isRecord(answer) && answer['leaving'] === true;
}

/** The status as text for a terminal. @param now Unix milliseconds */
export function describeStatus(answer: unknown, now: number): string {
  const status = isRecord(answer) ? answer : {};
  const text = (key: string) => String((status[key] as string | number | undefined) ?? '–');
  const ago = (key: string) => {
    const time = status[key];
    return typeof time === 'number' ? `${Math.round((now - time) / 1000)} s ago` : 'never';
  };
  const upOrDown = (key: string) => (status[key] === true ? 'up' : 'down');
  const drain = status['draining'] === true ? ', draining' : status['leaving'] === true ? ', leaving' : '';
  return [
    ['node', text('node')],
    ['backend', `${text('link')}, node status ${text('nodeStatus')}${drain}`],
    ['interface', `${text('interface')} ${upOrDown('hostUp')}`],
    ['resolver', `${upOrDown('resolverUp')}, ${text('resolverCrashes')} crashes`],
    ['peers', `${text('peers')} of ${text('capacity')}, ${text('unacknowledged')} unacknowledged`],
    ['last sync', ago('lastSyncAt')],
    ['last pulse', ago('lastPulseAt')],
    ['drift repaired', text('driftRepaired')],
    ['idle endpoints', `${text('idleEndpointsErased')} erased`],
    ['driver failures', text('driverFailures')],
    ['invalid entries', text('rejected')],
    ['agent', `${text('version')}, started ${ago('startedAt')}`],
  ]
    .map(([label = '', value = '']) => `${label.padEnd(16)} ${value}`)
    .join('\n');
}
