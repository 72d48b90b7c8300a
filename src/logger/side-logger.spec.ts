import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LogFields, SideLogger } from './side-logger.js';

let folder: string;
let file: string;
let logger: SideLogger;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'log-'));
  file = join(folder, 'side.log');
  logger = new SideLogger(
    'anonymizer',
    file,
    { logLevel: 'info' },
    { now: () => new Date('2030-01-02T03:04:05.678Z') },
  );
});

afterEach(() => rmSync(folder, { recursive: true }));

const lines = () =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('SideLogger', () => {
  it('writes the event, the side and the time, cut to the minute', () => {
    logger.info('served', { count: 3 });
    expect(lines()).toEqual([
      { level: 'info', time: '2030-01-02T03:04Z', side: 'anonymizer', count: 3, msg: 'served' },
    ]);
  });

  it('drops every field that is not on the allow-list', () => {
    const stowaways = { token: 'T', ip: '203.0.113.9', publicKey: 'K', userId: 'U', anythingNew: 'N' } as LogFields;
    logger.warn('odd', { ...stowaways, reason: 'kept' });
    expect(lines()[0]).toEqual({
      level: 'warn',
      time: '2030-01-02T03:04Z',
      side: 'anonymizer',
      reason: 'kept',
      msg: 'odd',
    });
  });

  it('logs the kind and the stack of an error, never its message', () => {
    const error = Object.assign(new TypeError('address 203.0.113.9 is already in use'), { code: 'E42' });
    logger.error('failed', error);
    expect(lines()[0]).toMatchObject({ error: 'TypeError', code: 'E42', msg: 'failed' });
    expect(String(lines()[0]?.stack)).toMatch(/^ +at /);
    expect(readFileSync(file, 'utf8')).not.toContain('203.0.113.9');
  });
});
