import { isRecord } from '../protocol.js';

/** Whether the agent takes nothing new. */
export function isLeaving(answer: unknown): boolean {
  return isRecord(answer) && answer['leaving'] === true;
}

/** The status for people's eyes. @param now Unix milliseconds */
export function describeStatus(answer: unknown, now: number): string {
  const status = isRecord(answer) ? answer : {};
  const text = (key: string) => String((status[key] as string | number | undefined) ?? '–');
  const ago = (key: string) => {
    const time = status[key];
    return typeof time === 'number' ? `${Math.round((now - time) / 1000)} s ago` : 'never';
  };
  const upOrDown = (key: string) => (status[key] === true ? 'up' : 'down');
  const intent = status['draining'] === true ? ', draining' : status['leaving'] === true ? ', leaving' : '';
  return [
    ['node', text('node')],
    ['backend', `${text('link')}; it calls this node ${text('nodeStatus')}${intent}`],
    ['interface', `${text('interface')} ${upOrDown('hostUp')}`],
    ['resolver', `${upOrDown('resolverUp')}, ${text('resolverCrashes')} crashes`],
    ['peers', `${text('peers')} of ${text('capacity')}, ${text('unacknowledged')} unacknowledged`],
    ['last sync', ago('lastSyncAt')],
    ['last pulse', ago('lastPulseAt')],
    ['drift repaired', text('driftRepaired')],
    ['traces wiped', text('tracesWiped')],
    ['driver failures', text('driverFailures')],
    ['unreadable', text('rejected')],
    ['agent', `${text('version')}, started ${ago('startedAt')}`],
  ]
    .map(([label = '', value = '']) => `${label.padEnd(16)} ${value}`)
    .join('\n');
}
