import { describe, expect, it } from 'vitest';
import { FlowTable } from './flow-table.js';

const peer = (name: string, ...allowedIps: string[]) => ({ publicKey: name, presharedKey: '', allowedIps });

/** Conntrack that writes down what it is asked to forget, each call held until it is let go. */
function conntrack() {
  const calls: string[][] = [];
  const held: (() => void)[] = [];
  let hold = false;
  const flows = new FlowTable(async (_program, _args, options) => {
    calls.push((options?.input ?? '').trim().split('\n'));
    if (hold) await new Promise<void>((resolve) => held.push(resolve));
    return '';
  });
  return {
    flows,
    calls,
    holdNext: () => void (hold = true),
    letGo: () => {
      hold = false;
      held.splice(0).forEach((go) => go());
    },
  };
}

describe('the flows of an address', () => {
  it('are forgotten after its peer has gone', async () => {
    const { flows, calls } = conntrack();
    flows.note([peer('a', '10.64.1.0/32', 'fdb7::100/128')]);
    flows.abandon(['a']);
    await flows.swept();
    expect(calls).toEqual([['-D -f ipv4 -s 10.64.1.0/32', '-D -f ipv6 -s fdb7::100/128']]);
  });

  it('are forgotten before another peer gets it, and not again after that', async () => {
    const { flows, calls } = conntrack();
    flows.note([peer('a', '10.64.1.0/32')]);
    await flows.prepare([peer('b', '10.64.1.0/32'), peer('c', '10.64.1.1/32')]);
    flows.note([peer('b', '10.64.1.0/32'), peer('c', '10.64.1.1/32')]);
    expect(calls).toEqual([['-D -f ipv4 -s 10.64.1.0/32']]);
    flows.abandon(['a']);
    await flows.swept();
    expect(calls).toHaveLength(1);
  });

  it('stay when the same peer is written again', async () => {
    const { flows, calls } = conntrack();
    flows.note([peer('a', '10.64.1.0/32')]);
    await flows.prepare([peer('a', '10.64.1.0/32')]);
    expect(calls).toEqual([]);
  });

  it('are not cut by a sweep that is late, once the address has its next user', async () => {
    const { flows, calls, holdNext, letGo } = conntrack();
    flows.note(Array.from({ length: 60 }, (_, number) => peer(`peer-${number}`, `10.64.1.${number}/32`)));
    holdNext();
    flows.abandon(Array.from({ length: 60 }, (_, number) => `peer-${number}`));
    const prepared = flows.prepare([peer('next', '10.64.1.59/32')]);
    letGo();
    await prepared;
    flows.note([peer('next', '10.64.1.59/32')]);
    const before = calls.length;
    await flows.swept();
    expect(calls.slice(before).flat()).not.toContain('-D -f ipv4 -s 10.64.1.59/32');
  });

  it('are forgotten a batch at a time when many go at once', async () => {
    const { flows, calls } = conntrack();
    const names = Array.from({ length: 120 }, (_, number) => `peer-${number}`);
    flows.note(names.map((name, number) => peer(name, `10.64.1.${number}/32`)));
    flows.abandon(names);
    await flows.swept();
    expect(calls.map(({ length }) => length)).toEqual([50, 50, 20]);
  });

  it('are not those of everybody, however wide a range a stranger among the peers had', async () => {
    const { flows, calls } = conntrack();
    flows.note([peer('stranger', '0.0.0.0/0', '::/0')]);
    flows.abandon(['stranger']);
    await flows.swept();
    expect(calls).toEqual([]);
  });

  it('are tried again after a failure, by the next peer to go', async () => {
    let fail = true;
    const calls: string[] = [];
    const flows = new FlowTable(async (_program, _args, options) => {
      if (fail) throw new Error('busy');
      calls.push(options?.input ?? '');
      return '';
    });
    flows.note([peer('a', '10.64.1.0/32'), peer('b', '10.64.1.1/32')]);
    flows.abandon(['a']);
    await flows.swept();
    fail = false;
    flows.abandon(['b']);
    await flows.swept();
    expect(calls).toEqual(['-D -f ipv4 -s 10.64.1.0/32\n-D -f ipv4 -s 10.64.1.1/32\n']);
  });
});
