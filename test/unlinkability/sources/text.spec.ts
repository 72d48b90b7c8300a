import { describe, expect, it } from 'vitest';
import { categoryValues, evidenceOf, orderedValues } from './evidence-of.js';
import { collectTraces } from './index.js';

const collect = (lines: readonly string[]) =>
  collectTraces(
    evidenceOf({
      logs: [{ name: 'service.log', text: lines.join('\n') }],
      identifiers: {
        user: new Map([
          ['anna@example.org', 'anna'],
          ['ben@example.org', 'ben'],
        ]),
        connection: new Map([['3f2504e0-4f89-81d3-9a0c-0305e82c3301', 'one']]),
      },
      addressPseudonyms: new Map([
        ['Zk3-_9dQ2mZ8sB_x-0aLpQ', '192.0.2.1'],
        ['Yk3-_9dQ2mZ8sB_x-0aLpQ', '192.0.2.9'],
      ]),
      toServiceTime: (ms) => ms + 1,
    }),
  );

describe('traceLines', () => {
  it('gives the lines that name an entity, and their times', async () => {
    const traces = await collect([
      '{"time":"2026-03-01T09:30:00.000Z","msg":"serving"}',
      '{"time":1772357400000,"msg":"welcome","to":"ben@example.org"}',
      '2026-03-01 09:31:00.500 UTC [7] ERROR: duplicate key (email)=(anna@example.org)',
    ]);
    const log = { kind: 'log', source: 'service.log' } as const;
    expect(orderedValues(traces, { ...log, scale: 'position in service.log' })).toEqual({ ben: [1], anna: [2] });
    const time = Date.UTC(2026, 2, 1, 9, 30) + 1;
    expect(orderedValues(traces, { ...log, scale: 'time' })).toEqual({ ben: [time], anna: [time + 60_500] });
  });

  it('gives the address in a line, or else in the lines around it', async () => {
    const traces = await collect([
      'request of 192.0.2.1:4711',
      'anna@example.org signs in',
      ...Array.from({ length: 9 }, () => 'something else'),
      'ben@example.org signs in',
      'redeemed 3f2504e0-4f89-81d3-9a0c-0305e82c3301',
      'limit Zk3-_9dQ2mZ8sB_x-0aLpQ',
    ]);
    const address = { kind: 'log', source: 'service.log (address)' } as const;
    expect(categoryValues(traces, { ...address, of: 'connection' })).toEqual({ one: ['192.0.2.1'] });
  });

  it('gives the address that stands beside an entity most often', async () => {
    const own = ['Zk3-_9dQ2mZ8sB_x-0aLpQ', 'anna@example.org signs in'];
    const traces = await collect([...own, ...own, 'request of 192.0.2.9', 'anna@example.org signs in']);
    const address = { kind: 'log', source: 'service.log (address)', of: 'user' } as const;
    expect(Object.values(categoryValues(traces, address))).toEqual([['192.0.2.1']]);
  });

  it('gives what lines of both sides say beside their entities, such as one hash of an address', async () => {
    const traces = await collect([
      'anna@example.org from f00dfeed01 in session a1b2c3d4e5',
      'redeemed 3f2504e0-4f89-81d3-9a0c-0305e82c3301 from f00dfeed01 by relay 9z8y7x6w5v',
    ]);
    const words = { kind: 'log', source: 'service.log (words)' } as const;
    expect(categoryValues(traces, { ...words, of: 'user' })['anna']).toContain('f00dfeed01');
    expect(categoryValues(traces, { ...words, of: 'connection' })['one']).toContain('f00dfeed01');
  });

  it('gives no trace of a line that names no user or connection', async () => {
    expect(await collect(['2026-03-01T09:30:00Z a user signs in from 192.0.2.1'])).toEqual([]);
  });
});
