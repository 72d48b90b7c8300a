import { LocationNotFound } from './errors.js';
import { type Location } from './wire.js';

/**
 * The locations that match a query, the best first. Less busy locations come first; equally busy ones are in random order, so
 * that not all clients choose the same one.
 *
 * @param query a location's id, a city, or a country's English name or code, without regard to case and accents; undefined for
 * all locations
 * @param random from 0 up to 1
 * @throws {LocationNotFound} no location matches
 */
export function chooseLocations(
  locations: readonly Location[],
  query: string | undefined,
  random: () => number = Math.random,
): Location[] {
  const matching = query === undefined ? locations : matchingLocations(locations, normalize(query));
  const available = locations.filter((location) => location.available);
  if (matching.length === 0) {
    throw new LocationNotFound(
      query,
      available.map(({ id }) => id),
    );
  }
  const shuffled = matching.map((location) => ({ location, chance: random() })).toSorted((a, b) => a.chance - b.chance);
  return shuffled
    .map(({ location }) => location)
    .toSorted((a, b) => Number(b.available) - Number(a.available) || a.load - b.load);
}

function matchingLocations(locations: readonly Location[], query: string): readonly Location[] {
  const matchers: ((location: Location) => boolean)[] = [
    ({ id }) => normalize(id) === query,
    ({ city }) => normalize(city) === query,
    ({ country }) => normalize(country) === query || normalize(countryName(country)) === query,
  ];
  return matchers.map((matches) => locations.filter(matches)).find((found) => found.length > 0) ?? [];
}

/** The English name, such as "Germany"; the code on platforms without country names. */
export function countryName(code: string): string {
  try {
    return new Intl.DisplayNames(['en'], { type: 'region' }).of(code) ?? code;
  } catch {
    return code;
  }
}

function normalize(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').trim().toLowerCase();
}
