import { type Locale } from '../../preferences/index.js';
import { factsOf, type Facts, type Kind } from '../kinds.js';
import { en } from './en.js';
import { type Catalogue, type Message } from './words.js';

export { type Catalogue, type Message } from './words.js';

/** A language more is a file more, and its name in the preferences: the compiler asks for every message of it. */
export const catalogues: Readonly<Record<Locale, Catalogue>> = { en };

/**
 * A notice in somebody's language.
 *
 * @param service what the service calls itself
 * @throws {ZodError} for facts that are not those of the kind
 */
export function messageOf<K extends Kind>(kind: K, facts: unknown, locale: Locale, service: string): Message {
  // The entry of a kind takes the facts of that kind, which TypeScript cannot see of an indexed union.
  const write = catalogues[locale].messages[kind] as (facts: Facts<K>, service: string) => Message;
  return write(factsOf[kind].parse(facts) as Facts<K>, service);
}
