import { describe, expect, it } from 'vitest';
import { chooseLocations } from './locations.js';
import { type Location } from './wire.js';

function place(id: string, country: string, city: string, load: Location['load'], available = true): Location {
  return { id, country, city, latitude: 0, longitude: 0, load, available };
}

const locations = [
  place('de-frankfurt', 'DE', 'Frankfurt', 75),
  place('de-berlin', 'DE', 'Berlin', 25),
  place('de-munich', 'DE', 'München', 0, false),
  place('se-stockholm', 'SE', 'Stockholm', 0),
];

const ids = (query?: string) => chooseLocations(locations, query, () => 0.5).map(({ id }) => id);

describe('chooseLocations', () => {
  it.each([
    ['an id', 'de-frankfurt', ['de-frankfurt']],
    ['a city', 'stockholm', ['se-stockholm']],
    ['a city without accents', ' munchen ', ['de-munich']],
    ['a country code', 'de', ['de-berlin', 'de-frankfurt', 'de-munich']],
    ['a country name', 'Germany', ['de-berlin', 'de-frankfurt', 'de-munich']],
    ['no query', undefined, ['se-stockholm', 'de-berlin', 'de-frankfurt', 'de-munich']],
  ])('finds locations by %s, the least busy first and full ones last', (_, query, expected) => {
    expect(ids(query)).toEqual(expected);
  });

  it('names the available locations when none matches', () => {
    expect(() => ids('Atlantis')).toThrow(
      expect.objectContaining({
        name: 'LocationNotFound',
        message: 'No location matches "Atlantis". Available locations: de-frankfurt, de-berlin, se-stockholm.',
      }),
    );
  });

  it('explains that the service offers no locations', () => {
    const none = expect.objectContaining({
      name: 'LocationNotFound',
      message: 'The service offers no locations yet.',
    }) as Error;
    expect(() => chooseLocations([], undefined)).toThrow(none);
  });

  it('returns equally busy locations in random order', () => {
    const equals = [place('a', 'DE', 'A', 0), place('b', 'DE', 'B', 0)];
    const firsts = [0.1, 0.9].map((first) => {
      const chances = [first, 0.5];
      return chooseLocations(equals, undefined, () => chances.shift() ?? 0)[0]?.id;
    });
    expect(firsts).toEqual(['a', 'b']);
  });
});
