import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

describe('the documentation', () => {
  it('names only files that exist', () => {
    const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' });
    const known = files.split('\n').map((file) => `/${file}`);
    const pages = globSync(['*.md', 'docs/*.md', 'packages/*/README.md', 'deploy/README.md']);
    const named = pages.flatMap((page) => {
      const names = readFileSync(page, 'utf8').matchAll(/`([\w./-]+\.(?:ts|mjs|tsx))`/g);
      return [...names].map(([, name = '']) => ({ page, name }));
    });
    expect(named.length).toBeGreaterThan(80);
    // `x.store.ts` stands for all stores.
    const missing = named.filter(({ name }) => !/^x\./.test(name) && !known.some((file) => file.endsWith(`/${name}`)));
    expect(missing).toEqual([]);
  });
});
