import { describe, expect, it } from 'vitest';
import { FlowTable } from './flow-table.js';

const peer = (name: string, ...allowedIps: string[]) => ({ publicKey: name, presharedKey: '', allowedIps });

/** A fake conntrack that records its commands; after `holdNext`, calls wait until `releaseAll`. */
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
    releaseAll: () => {
      hold = false;
      held.splice(0).forEach((release) => release());
    },
  };
}

describe('FlowTable', () => {
  it('deletes the flows of an address after its peer is removed', async () => {
    const { flows, calls } = conntrack();
    flows.assign([peer('a', '10.64.1.0/32', 'fdb7::100/128')]);
    flows.release(['a']);
    await flows.sweepDone();
    expect(calls).toEqual([['-D -f ipv4 -s 10.64.1.0/32', '-D -f ipv6 -s fdb7::100/128']]);
  });

  it('deletes the flows before another peer gets the address, and not again after that', async () => {
    const { flows, calls } = conntrack();
    flows.assign([peer('a', '10.64.1.0/32')]);
    await flows.clearForPeers([peer('b', '10.64.1.0/32'), peer('c', '10.64.1.1/32')]);
    flows.assign([peer('b', '10.64.1.0/32'), peer('c', '10.64.1.1/32')]);
    expect(calls).toEqual([['-D -f ipv4 -s 10.64.1.0/32']]);
    flows.release(['a']);
    await flows.sweepDone();
    expect(calls).toHaveLength(1);
  });

  it('keeps the flows when the same peer is written again', async () => {
    const { flows, calls } = conntrack();
    flows.assign([peer('a', '10.64.1.0/32')]);
    await flows.clearForPeers([peer('a', '10.64.1.0/32')]);
    expect(calls).toEqual([]);
  });

  it('does not cut the flows of an address’s next peer with a late sweep', async () => {
    const { flows, calls, holdNext, releaseAll } = conntrack();
    flows.assign(Array.from({ length: 60 }, (_, number) => peer(`peer-${number}`, `10.64.1.${number}/32`)));
    holdNext();
    flows.release(Array.from({ length: 60 }, (_, number) => `peer-${number}`));
    const prepared = flows.clearForPeers([peer('next', '10.64.1.59/32')]);
    releaseAll();
    await prepared;
    flows.assign([peer('next', '10.64.1.59/32')]);
    const before = calls.length;
    await flows.sweepDone();
    expect(calls.slice(before).flat()).not.toContain('-D -f ipv4 -s 10.64.1.59/32');
  });

  it('deletes flows in batches when many peers are removed at once', async () => {
    const { flows, calls } = conntrack();
    const names = Array.from({ length: 120 }, (_, number) => `peer-${number}`);
    flows.assign(names.map((name, number) => peer(name, `10.64.1.${number}/32`)));
    flows.release(names);
    await flows.sweepDone();
    expect(calls.map(({ length }) => length)).toEqual([50, 50, 20]);
  });

  it('deletes no flows of other peers when an unknown peer had a wide range', async () => {
    const { flows, calls } = conntrack();
    flows.assign([peer('unknown', '0.0.0.0/0', '::/0')]);
    flows.release(['unknown']);
    await flows.sweepDone();
    expect(calls).toEqual([]);
  });

  it('retries after a failure when the next peer is removed', async () => {
    let fail = true;
    const calls: string[] = [];
    const flows = new FlowTable(async (_program, _args, options) => {
      if (fail) throw new Error('busy');
      calls.push(options?.input ?? '');
      return '';
    });
    flows.assign([peer('a', '10.64.1.0/32'), peer('b', '10.64.1.1/32')]);
    flows.release(['a']);
    await flows.sweepDone();
    fail = false;
    flows.release(['b']);
    await flows.sweepDone();
    expect(calls).toEqual(['-D -f ipv4 -s 10.64.1.0/32\n-D -f ipv4 -s 10.64.1.1/32\n']);
  });
});
