import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dayOf, expiryOf } from './connection-times.js';

const hourMs = 3_600_000;
const time = fc.date({ min: new Date('2020-01-01'), max: new Date('2100-01-01'), noInvalidDate: true });

describe('expiryOf', () => {
  it.each([
    ['2030-01-01T12:00:00.000Z', '2030-01-02T12:00:00.000Z'],
    ['2030-01-01T12:00:00.001Z', '2030-01-02T13:00:00.000Z'],
    ['2030-01-01T12:59:59.999Z', '2030-01-02T13:00:00.000Z'],
    ['2030-12-31T23:30:00.000Z', '2031-01-02T00:00:00.000Z'],
    ['2028-02-28T23:30:00.000Z', '2028-03-01T00:00:00.000Z'],
  ])('gives a connection redeemed at %s the expiry %s', (now, end) => {
    expect(expiryOf(new Date(now)).toISOString()).toBe(end);
  });

  it('gives a full hour, at least 24 and less than 25 hours ahead', () => {
    fc.assert(
      fc.property(time, (now) => {
        const end = expiryOf(now).getTime();
        expect(end % hourMs).toBe(0);
        expect(end - now.getTime()).toBeGreaterThanOrEqual(24 * hourMs);
        expect(end - now.getTime()).toBeLessThan(25 * hourMs);
      }),
    );
  });
});

describe('dayOf', () => {
  it('gives the UTC date, independent of the machine’s time zone', () => {
    fc.assert(
      fc.property(time, (now) => {
        expect(dayOf(now).toISOString()).toBe(`${now.toISOString().slice(0, 10)}T00:00:00.000Z`);
      }),
    );
  });
});
