import { type Payload, type Kind } from '../kinds.js';

/** The text of one notification. Plain text: escape it before you put it into HTML. */
export interface Message {
  /** One line: the subject of the mail and the title of the push. */
  readonly subject: string;
  /** The first paragraph is also the body of the push. */
  readonly paragraphs: readonly [string, ...string[]];
  /** A link for the user to open, if the mail exists for that. */
  readonly link?: string;
}

/** What each language provides: a message for every kind, and the texts around it. */
export type MessageCatalog = {
  readonly messages: { readonly [K in Kind]: (payload: Payload<K>, service: string) => Message };
  /** In the footer of every mail, so that users can recognise a forged one. */
  readonly noLinks: string;
  /** Before the link to unsubscribe. */
  readonly unsubscribe: string;
  /** In the footer of mails that cannot be turned off. */
  readonly mandatory: string;
};
