import { type Locale } from '../../preferences/index.js';
import { payloadSchemas, type Payload, type Kind } from '../kinds.js';
import { en } from './en.js';
import { type MessageCatalog, type Message } from './message.js';

export { type MessageCatalog, type Message } from './message.js';

/** A language more is a file more, and its name in the preferences: the compiler asks for every message of it. */
export const messageCatalogs: Readonly<Record<Locale, MessageCatalog>> = { en };

/**
 * A notice in somebody's language.
 *
 * @param service what the service calls itself
 * @throws {ZodError} for payload that are not those of the kind
 */
export function messageOf<K extends Kind>(kind: K, payload: unknown, locale: Locale, service: string): Message {
  // The entry of a kind takes the payload of that kind, which TypeScript cannot see of an indexed union.
  const write = messageCatalogs[locale].messages[kind] as (payload: Payload<K>, service: string) => Message;
  return write(payloadSchemas[kind].parse(payload) as Payload<K>, service);
}
