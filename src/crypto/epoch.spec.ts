import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { epochOf, epochSigningFrom, epochTimes } from './epoch.js';

const at = (text: string) => new Date(text);

describe('epochOf and epochTimes', () => {
  it('use UTC days as epochs', () => {
    expect(epochOf(at('1970-01-01T00:00:00Z'))).toBe(0);
    expect(epochOf(at('2025-03-09T23:59:59.999Z'))).toBe(epochOf(at('2025-03-09T00:00:00Z')));
    expect(epochOf(at('2025-03-10T00:00:00Z'))).toBe(epochOf(at('2025-03-09T00:00:00Z')) + 1);
  });

  it('let a key sign 2 minutes early and 10 minutes late, and accept its tokens 24 hours longer', () => {
    expect(epochTimes(epochOf(at('2025-03-09T12:00:00Z')))).toEqual({
      notBefore: at('2025-03-09T00:00:00Z'),
      signFrom: at('2025-03-08T23:58:00Z'),
      signUntil: at('2025-03-10T00:10:00Z'),
      verifyUntil: at('2025-03-11T00:10:00Z'),
    });
  });

  it('assign a key to its own day, not to the day on which it starts to sign', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 60_000 }), (epoch) => {
        expect(epochSigningFrom(epochTimes(epoch).signFrom)).toBe(epoch);
        expect(epochOf(epochTimes(epoch).notBefore)).toBe(epoch);
      }),
    );
  });

  it('leave no moment without a key, and let every token live at least 24 hours', () => {
    fc.assert(
      fc.property(fc.date({ min: at('2000-01-01'), max: at('2100-01-01'), noInvalidDate: true }), (now) => {
        const times = epochTimes(epochOf(now));
        expect(times.signFrom <= now && now < times.signUntil).toBe(true);
        expect(times.verifyUntil.getTime() - times.signUntil.getTime()).toBe(86_400_000);
      }),
    );
  });
});
