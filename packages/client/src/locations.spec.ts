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

const ids = (wish?: string) => chooseLocations(locations, wish, () => 0.5).map(({ id }) => id);

describe('a wish for a location', () => {
  it.each([
    ['its id', 'de-frankfurt', ['de-frankfurt']],
    ['its city', 'stockholm', ['se-stockholm']],
    ['its city without the dots', ' munchen ', ['de-munich']],
    ['its country’s code', 'de', ['de-berlin', 'de-frankfurt', 'de-munich']],
    ['its country’s name', 'Germany', ['de-berlin', 'de-frankfurt', 'de-munich']],
    ['nothing', undefined, ['se-stockholm', 'de-berlin', 'de-frankfurt', 'de-munich']],
  ])('by %s finds the least busy first, full ones last', (_, wish, expected) => {
    expect(ids(wish)).toEqual(expected);
  });

  it('says what there is when nothing is called so', () => {
    expect(() => ids('Atlantis')).toThrow(
      expect.objectContaining({
        name: 'LocationNotFound',
        message: 'No location is called "Atlantis". There is: de-frankfurt, de-berlin, se-stockholm.',
      }),
    );
  });

  it('says that there is none at all', () => {
    const none = expect.objectContaining({ name: 'LocationNotFound', message: 'No location is offered yet.' }) as Error;
    expect(() => chooseLocations([], undefined)).toThrow(none);
  });

  it('spreads equals', () => {
    const equals = [place('a', 'DE', 'A', 0), place('b', 'DE', 'B', 0)];
    const firsts = [0.1, 0.9].map((first) => {
      const chances = [first, 0.5];
      return chooseLocations(equals, undefined, () => chances.shift() ?? 0)[0]?.id;
    });
    expect(firsts).toEqual(['a', 'b']);
  });
});
