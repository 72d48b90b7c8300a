import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { createTransport, type NodemailerError } from 'nodemailer';
import { GATEKEEPER_CONFIG, type GatekeeperConfig } from '../platform/config/index.js';
import { channelDown, retryLater, type Outcome, refused, sent } from './channel.js';
import { type MailText } from './mail.js';

export interface OutgoingMail extends MailText {
  /** One address. */
  readonly to: string;
  /** The part of the Message-ID before the @. */
  readonly name: string;
  readonly date: Date;
  readonly unsubscribeUrl?: string;
}

type MailConfig = NonNullable<GatekeeperConfig['mail']>;

/** No user waits for a mail, but the mails behind it in the queue do. */
const timeouts = { connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 30_000, dnsTimeout: 10_000 };

/** A mail server, by SMTP. The one file that knows nodemailer. */
@Injectable()
export class MailClient implements OnApplicationShutdown {
  private readonly transport;

  constructor(@Inject(GATEKEEPER_CONFIG) private readonly config: GatekeeperConfig) {
    this.transport = config.mail && createTransport(transportOptions(config.mail));
    // `sendMail` already rejects when its connection fails. Errors of idle connections need no handling.
    this.transport?.on('error', () => {});
  }

  async send({ to, name, date, unsubscribeUrl, ...content }: OutgoingMail): Promise<Outcome> {
    const { transport, config } = this;
    if (transport === undefined || config.mail === undefined) return refused('not_configured');
    const { from } = config.mail;
    try {
      await transport.sendMail({
        ...content,
        // A copy, because the library modifies it.
        from: { ...from },
        to: { name: '', address: to },
        envelope: { from: from.address, to: [to] },
        messageId: `<${name}@${from.address.split('@')[1]}>`,
        date,
        headers: { 'auto-submitted': 'auto-generated', ...(unsubscribeUrl && oneClickHeaders(unsubscribeUrl)) },
      });
      return sent;
    } catch (error) {
      return outcomeOf(error as NodemailerError, () => transport.verify());
    }
  }

  onApplicationShutdown(): void {
    this.transport?.close();
  }
}

/** RFC 8058: the mail program shows its own unsubscribe button, which sends a POST. */
function oneClickHeaders(url: string): Record<string, string> {
  return { 'list-unsubscribe': `<${url}>`, 'list-unsubscribe-post': 'List-Unsubscribe=One-Click' };
}

function transportOptions({ smtpUrl, connections }: MailConfig) {
  const { protocol, hostname, port, username, password } = new URL(smtpUrl);
  const secure = protocol === 'smtps:';
  return {
    pool: true as const,
    maxConnections: connections,
    maxRequeues: 1,
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? (secure ? 465 : 587) : Number(port),
    secure,
    // Passwords and e-mail addresses never cross a network unencrypted.
    requireTLS: !secure && !isLocalHost(hostname),
    ignoreTLS: !secure && isLocalHost(hostname),
    ...(username !== '' && { auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) } }),
    ...timeouts,
    logger: false,
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

const isLocalHost = (host: string) => ['localhost', '127.0.0.1', '[::1]'].includes(host);

/**
 * Decides whether an error concerns this message or the whole server. A reply to RCPT TO or DATA concerns the message. A
 * broken connection may mean either, so `verify` checks whether the server accepts connections at all: a message that makes
 * the server hang up must not block all other mails.
 */
async function outcomeOf(error: NodemailerError, verify: () => Promise<unknown>): Promise<Outcome> {
  const { code, command, responseCode, permanent } = error;
  const isAboutThisMail = (code === 'EENVELOPE' && command !== 'MAIL FROM') || code === 'EMESSAGE';
  if (isAboutThisMail && responseCode === undefined) return refused('bad_address');
  if (isAboutThisMail && responseCode !== 421) {
    return permanent === true ? refused(String(responseCode)) : retryLater(String(responseCode));
  }
  const reason = String(responseCode ?? code ?? 'unknown');
  return verify().then(
    () => (command === 'MAIL FROM' ? channelDown(reason) : retryLater(reason)),
    () => channelDown(reason),
  );
}
