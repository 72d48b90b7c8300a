import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type AnonymizerLogger, type GatekeeperLogger, Loggers, type ProcessLogger } from './loggers.js';

interface ApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly tags: readonly string[] }>>>>;
}

/** Told apart by identity alone; `Loggers` asks nothing of them. */
const [process, gatekeeper, anonymizer] = [{}, {}, {}] as [ProcessLogger, GatekeeperLogger, AnonymizerLogger];

describe('an error', () => {
  it('of any endpoint is in the log of its own side', () => {
    const { paths } = JSON.parse(readFileSync('openapi.json', 'utf8')) as ApiDocument;
    const loggers = new Loggers(process, gatekeeper, anonymizer);
    const sides = Object.entries(paths).flatMap(([path, methods]) =>
      Object.values(methods).map(({ tags }) => ({ path, tags })),
    );
    for (const { path, tags } of sides) {
      const isNetwork = tags.includes('vpn') || tags.includes('node');
      expect([path, loggers.forPath(path) === anonymizer]).toEqual([path, isNetwork]);
    }
  });

  it('of a side that is not here is in the log of the process', () => {
    expect(new Loggers(process, gatekeeper).forPath('/vpn/config')).toBe(process);
    expect(new Loggers(process, undefined, anonymizer).forPath('/account')).toBe(process);
  });
});
