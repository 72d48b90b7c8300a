import { describe, expect, it } from 'vitest';
import { type AnonymizerLogger, type GatekeeperLogger, Loggers, type ProcessLogger } from './loggers.js';

/** Compared by identity only. `Loggers` calls no method of them. */
const [process, gatekeeper, anonymizer] = [{}, {}, {}] as [ProcessLogger, GatekeeperLogger, AnonymizerLogger];

describe('Loggers', () => {
  it('has one log for each side and one for the process', () => {
    const loggers = new Loggers(process, gatekeeper, anonymizer);
    expect(loggers.of('gatekeeper')).toBe(gatekeeper);
    expect(loggers.of('anonymizer')).toBe(anonymizer);
    expect(loggers.of('process')).toBe(process);
  });

  it('throws for a side that this process does not serve', () => {
    expect(() => new Loggers(process, gatekeeper).of('anonymizer')).toThrow('does not serve the anonymizer');
    expect(() => new Loggers(process, undefined, anonymizer).of('gatekeeper')).toThrow('does not serve the gatekeeper');
  });
});
