import { type Payload, type Kind } from '../kinds.js';

/** One notice in words. Plain text: whoever shows it as HTML escapes it. */
export interface Message {
  /** One line: of the mail, and the title of the push. */
  readonly subject: string;
  /** The first one is also the text of the push. */
  readonly paragraphs: readonly [string, ...string[]];
  /** To open, where a mail is for that. */
  readonly link?: string;
}

/** What a language must have: a message for every kind, and the words around it. */
export type MessageCatalog = {
  readonly messages: { readonly [K in Kind]: (payload: Payload<K>, service: string) => Message };
  /** Of every mail, so that a forged one is known by what it has. */
  readonly noLinks: string;
  /** Before the address to unsubscribe at. */
  readonly unsubscribe: string;
  readonly always: string;
};
