import { LocationNotFound } from './errors.js';
import { type Location } from './wire.js';

/**
 * The locations that a wish means, the best first: a location's id, its city's name, or its country's name in English or code;
 * all of them without a wish. Upper and lower case and accents do not matter. Less busy ones come first, equals in random
 * order, so that not everybody goes to the same.
 *
 * @param random from 0 up to 1
 * @throws {LocationNotFound} nothing is meant
 */
export function chooseLocations(
  locations: readonly Location[],
  wish: string | undefined,
  random: () => number = Math.random,
): Location[] {
  const meant = wish === undefined ? locations : whatIsMeant(locations, plain(wish));
  const open = locations.filter(({ available }) => available);
  if (meant.length === 0) {
    throw new LocationNotFound(
      wish,
      open.map(({ id }) => id),
    );
  }
  const shuffled = meant.map((location) => ({ location, chance: random() })).toSorted((a, b) => a.chance - b.chance);
  return shuffled
    .map(({ location }) => location)
    .toSorted((a, b) => Number(b.available) - Number(a.available) || a.load - b.load);
}

function whatIsMeant(locations: readonly Location[], wish: string): readonly Location[] {
  const ways: ((location: Location) => boolean)[] = [
    ({ id }) => plain(id) === wish,
    ({ city }) => plain(city) === wish,
    ({ country }) => plain(country) === wish || plain(countryName(country)) === wish,
  ];
  return ways.map((way) => locations.filter(way)).find((found) => found.length > 0) ?? [];
}

/** In English, such as "Germany"; the code where the platform knows no names. */
export function countryName(code: string): string {
  try {
    return new Intl.DisplayNames(['en'], { type: 'region' }).of(code) ?? code;
  } catch {
    return code;
  }
}

function plain(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').trim().toLowerCase();
}
