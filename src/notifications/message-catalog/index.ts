import { type Locale } from '../../preferences/index.js';
import { payloadSchemas, type Payload, type Kind } from '../kinds.js';
import { en } from './en.js';
import { type MessageCatalog, type Message } from './message.js';

export { type MessageCatalog, type Message } from './message.js';

/** To add a language, add a file here and its name to `locales` in the preferences. The compiler checks that it is complete. */
export const messageCatalogs: Readonly<Record<Locale, MessageCatalog>> = { en };

/**
 * The message of a notification, in one language.
 *
 * @param service the name of the service
 * @throws {ZodError} if the payload does not match the kind
 */
export function messageOf<K extends Kind>(kind: K, payload: unknown, locale: Locale, service: string): Message {
  // The entry of a kind takes the payload of that kind; TypeScript cannot infer that from an indexed union.
  const render = messageCatalogs[locale].messages[kind] as (payload: Payload<K>, service: string) => Message;
  return render(payloadSchemas[kind].parse(payload) as Payload<K>, service);
}
