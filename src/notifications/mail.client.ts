import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { createTransport, type NodemailerError } from 'nodemailer';
import { GATEKEEPER_CONFIG, type GatekeeperConfig } from '../platform/config/index.js';
import { down, later, type Outcome, refused, sent } from './channel.js';
import { type MailText } from './mail.js';

export interface OutgoingMail extends MailText {
  /** One address. */
  readonly to: string;
  /** Of the Message-ID, before the @. */
  readonly name: string;
  readonly date: Date;
  readonly unsubscribeUrl?: string;
}

type MailConfig = NonNullable<GatekeeperConfig['mail']>;

/** Nobody waits for a mail, but those behind it do. */
const patience = { connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 30_000, dnsTimeout: 10_000 };

/** A mail server, by SMTP. The one file that knows nodemailer. */
@Injectable()
export class MailClient implements OnApplicationShutdown {
  private readonly transport;

  constructor(@Inject(GATEKEEPER_CONFIG) private readonly config: GatekeeperConfig) {
    this.transport = config.mail && createTransport(transportOptions(config.mail));
    // What a connection dies of is told to whoever waits for it; an idle one has nobody to tell.
    this.transport?.on('error', () => {});
  }

  async send({ to, name, date, unsubscribeUrl, ...words }: OutgoingMail): Promise<Outcome> {
    const { transport, config } = this;
    if (transport === undefined || config.mail === undefined) return refused('not_configured');
    const { from } = config.mail;
    try {
      await transport.sendMail({
        ...words,
        // A copy: the library writes into it.
        from: { ...from },
        to: { name: '', address: to },
        envelope: { from: from.address, to: [to] },
        messageId: `<${name}@${from.address.split('@')[1]}>`,
        date,
        headers: { 'auto-submitted': 'auto-generated', ...(unsubscribeUrl && oneClick(unsubscribeUrl)) },
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

/** RFC 8058: the mail program's own button, which sends a POST and nothing else. */
function oneClick(url: string): Record<string, string> {
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
    // Passwords and people's addresses cross no network in the clear.
    requireTLS: !secure && !isThisMachine(hostname),
    ignoreTLS: !secure && isThisMachine(hostname),
    ...(username !== '' && { auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) } }),
    ...patience,
    logger: false,
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

const isThisMachine = (host: string) => ['localhost', '127.0.0.1', '[::1]'].includes(host);

/**
 * What an error is about: the recipient or the message, when the server answered those; the server, when it takes nobody. A
 * connection that breaks says neither, so the server is asked whether it takes anybody: a message that makes it hang up must
 * not keep all the others waiting.
 */
async function outcomeOf(error: NodemailerError, takesAnybody: () => Promise<unknown>): Promise<Outcome> {
  const { code, command, responseCode, permanent } = error;
  const isAboutThisOne = (code === 'EENVELOPE' && command !== 'MAIL FROM') || code === 'EMESSAGE';
  if (isAboutThisOne && responseCode === undefined) return refused('bad_address');
  if (isAboutThisOne && responseCode !== 421) {
    return permanent === true ? refused(String(responseCode)) : later(String(responseCode));
  }
  const reason = String(responseCode ?? code ?? 'unknown');
  return takesAnybody().then(
    () => (command === 'MAIL FROM' ? down(reason) : later(reason)),
    () => down(reason),
  );
}
