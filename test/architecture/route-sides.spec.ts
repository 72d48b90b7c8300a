import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readSides } from '../../dev/import-rules/sides.js';

const { gatekeeper, anonymizer } = readSides(process.cwd());

/** The side of a module's folder. What platform serves belongs to no side. */
function sideOf(file: string): string {
  const folder = file.split('/')[1] ?? '';
  if (gatekeeper.includes(folder)) return 'gatekeeper';
  return anonymizer.includes(folder) ? 'anonymizer' : 'process';
}

describe('each controller', () => {
  it('declares the side of its module, whose log gets its errors', () => {
    const controllers = globSync('src/**/*.controller.ts');
    expect(controllers.length).toBeGreaterThan(15);
    const declared = controllers.map((file) => {
      return [file, /^@OnSide\('(\w+)'\)$/m.exec(readFileSync(file, 'utf8'))?.[1]];
    });
    expect(declared).toEqual(controllers.map((file) => [file, sideOf(file)]));
  });
});
