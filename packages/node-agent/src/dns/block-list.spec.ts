import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { blockedName, readBlockList } from './block-list.js';

describe('blockedName', () => {
  it.each([
    ['ads.example', 'ads.example'],
    ['  Ads.Example.  # a comment', 'ads.example'],
    ['0.0.0.0 ads.example', 'ads.example'],
    ['127.0.0.1\tads.example', 'ads.example'],
    ['*.ads.example', 'ads.example'],
    ['_track.ads.example', '_track.ads.example'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
  ])('%j blocks %s', (line, name) => {
    expect(blockedName(line)).toBe(name);
  });

  it.each([
    '',
    '# ads.example',
    'localhost',
    '127.0.0.1 localhost',
    '127.0.0.1 localhost.localdomain',
    '0.0.0.0',
    '::1 ip6-loopback',
    'com',
    'ads.example" always_null\nserver:',
    `${'a'.repeat(64)}.example`,
    `${'a.'.repeat(130)}example`,
    '-ads.example',
    'ads..example',
  ])('%j blocks nothing', (line) => {
    expect(blockedName(line)).toBeUndefined();
  });
});

it('readBlockList reads lines with any line ending', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vpn-node-'));
  await writeFile(join(folder, 'list'), '# ads\r\na.example\r\n\n0.0.0.0 b.example\nc.example');
  const names: string[] = [];
  for await (const name of readBlockList(join(folder, 'list'))) names.push(name);
  expect(names).toEqual(['a.example', 'b.example', 'c.example']);
  await rm(folder, { recursive: true });
});
