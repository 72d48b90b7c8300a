import { describe, expect, it } from 'vitest';
import { measuredTable, renderTable } from './measured-table.js';
import { type Finding, type Trace } from './trace.js';

const left: Trace = {
  ...{ of: 'user', kind: 'memory', source: 'cache', type: 'ordered', scale: 'time' },
  values: new Map(),
};
const finding = (problem: string, hits: number): Finding => ({
  ...{ problem, left, right: { ...left, of: 'connection' }, matcher: 'nearest' },
  ...{ hits, asked: 40, chance: 1, auc: 0.9, p: 0.0005 },
});

describe('the measured table', () => {
  const findings = [finding('new user', 10), finding('new user', 30), finding('steady wallet', 3)];
  const table = renderTable(measuredTable(['new user', 'steady wallet'], findings, findings.slice(0, 2)));

  it('shows the best significant accuracy of each source, and chance elsewhere', () => {
    expect(table).toContain('| memory of the running process | **75 %** (0.90) | chance |');
    expect(table).toContain('| logs | chance | chance |');
  });

  it('shows how many connections were asked about, and the share that is right by luck', () => {
    expect(table).toContain('| connections asked about | 40 | 40 |');
    expect(table).toContain('| right by luck | 2.5 % | 2.5 % |');
  });
});
