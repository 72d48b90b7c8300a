import { type Locale } from '../preferences/index.js';
import { type MessageCatalog, messageCatalogs, type Message, messageOf } from './message-catalog/index.js';
import { type Kind } from './kinds.js';

export interface MailText {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

export interface MailOptions {
  readonly locale: Locale;
  /** The name of the service. */
  readonly service: string;
  /** Where the user can unsubscribe from this kind. Undefined for kinds that cannot be turned off. */
  readonly unsubscribeUrl?: string;
}

/**
 * Renders a notification as a mail: the same content as text and as HTML. The HTML loads nothing, because a picture would
 * reveal who reads it and when. Its only links are to unsubscribe and to confirm an address, because links to sign in are
 * what phishing mails contain.
 *
 * @throws {ZodError} if the payload does not match the kind
 */
export function renderMail(kind: Kind, payload: unknown, { locale, service, unsubscribeUrl }: MailOptions): MailText {
  const message = messageOf(kind, payload, locale, service);
  const catalog = messageCatalogs[locale];
  const footer = [...(unsubscribeUrl === undefined ? [catalog.mandatory] : []), catalog.noLinks];
  return {
    subject: message.subject,
    text: asText(message, footer, unsubscribeUrl && `${catalog.unsubscribe} ${unsubscribeUrl}`),
    html: asHtml({ message, catalog, footer, service, locale, unsubscribeUrl }),
  };
}

function asText({ paragraphs, link }: Message, footer: readonly string[], unsubscribe: string | undefined): string {
  const blocks = [...paragraphs, link, '-- ', ...footer, unsubscribe];
  return `${blocks.filter((block) => block !== undefined).join('\n\n')}\n`;
}

interface Page {
  readonly message: Message;
  readonly catalog: MessageCatalog;
  readonly footer: readonly string[];
  readonly service: string;
  readonly locale: Locale;
  readonly unsubscribeUrl?: string;
}

/** Inline styles, because mail programs drop style sheets. One column that fits a phone. */
function asHtml({ message, catalog, footer, service, locale, unsubscribeUrl }: Page): string {
  const paragraph = (style: string) => (text: string) => `<p style="margin:0 0 16px;${style}">${escape(text)}</p>`;
  const small = 'font-size:13px;line-height:20px;color:#5b6470;';
  const unsubscribe =
    unsubscribeUrl === undefined
      ? ''
      : `<p style="margin:0 0 16px;${small}">${escape(catalog.unsubscribe)} ` +
        `<a href="${escape(unsubscribeUrl)}" style="color:#1a56b0;">${escape(new URL(unsubscribeUrl).host)}</a></p>`;
  // The whole URL is shown, so that the user sees where the link leads.
  const link =
    message.link === undefined
      ? ''
      : `\n<p style="margin:0 0 16px;"><a href="${escape(message.link)}" style="color:#1a56b0;">${escape(message.link)}</a></p>`;
  return `<!doctype html>
<html lang="${locale}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light">
<title>${escape(message.subject)}</title>
</head>
<body style="margin:0;padding:0;background:#f2f4f7;">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="background:#f2f4f7;">
<tr><td align="center" style="padding:24px 12px;">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="max-width:560px;background:#ffffff;border-radius:8px;">
<tr><td style="padding:32px 24px 16px;font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:24px;color:#1c2430;overflow-wrap:anywhere;">
<p style="margin:0 0 16px;${small}">${escape(service)}</p>
<h1 style="margin:0 0 16px;font-size:22px;line-height:28px;font-weight:600;">${escape(message.subject)}</h1>
${message.paragraphs.map(paragraph('')).join('\n')}${link}
<hr style="border:0;border-top:1px solid #e3e7ec;margin:24px 0 16px;">
${footer.map(paragraph(small)).join('\n')}
${unsubscribe}</td></tr>
</table>
</td></tr>
</table>
</body>
</html>
`;
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text: string) => text.replace(/[&<>"]/g, (character) => entities[character] ?? character);
