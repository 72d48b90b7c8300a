import { describe, expect, it } from 'vitest';
import { timesIn } from './times.js';

const time = Date.UTC(2026, 2, 1, 9, 30, 15);

describe('timesIn', () => {
  it.each([
    ['at 2026-03-01T09:30:15Z.', [time]],
    ['"2026-03-01T09:30:15.250Z"', [time + 250]],
    ['2026-03-01 09:30:15.000125+00', [time + 0.125]],
    ['2026-03-01 11:30:15+02', [time]],
    ['2026-03-01T11:30:15+02:00', [time]],
    ['2026-03-01 09:30:15.007 UTC [71] LOG:', [time + 7]],
    ['2026-03-01T09:30', [time - 15_000]],
    ['2026-03-01', [Date.UTC(2026, 2, 1)]],
    [`trial:${time / 1000}`, [time]],
    [`{"at":${time},"until":${time / 1000}}`, [time, time]],
    [`${time / 1000}.5`, [time + 500]],
    [`id 0${time.toString(16).slice(0, 7)}-${time.toString(16).slice(7)}-7abc-8def-0123456789ab`, [time]],
    ['2026-03-01T09:30:15Z to 2026-03-02', [time, Date.UTC(2026, 2, 2)]],
  ])('finds in %j: %j', (text, times) => {
    expect(timesIn(text)).toEqual(times);
  });

  it.each(['1999-03-01', '1234567890', '9999999999999', 'ab1772357415', '1772357415-f', '12026-03-01', '2026-13-41'])(
    'finds nothing in %j',
    (text) => {
      expect(timesIn(text)).toEqual([]);
    },
  );
});
