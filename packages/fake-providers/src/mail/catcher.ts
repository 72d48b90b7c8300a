import { type Readable } from 'node:stream';
import { SMTPServer } from 'smtp-server';
import { type CaughtMail, readMail } from './read-mail.js';

/**
 * How the server fails: it refuses the recipient or the finished message with an SMTP reply code, or closes the connection
 * during the message.
 */
type MailFault = { readonly at: 'recipient' | 'message'; readonly code: number } | { readonly at: 'hang-up' };

/** A mail server on 127.0.0.1 that accepts every mail and delivers none. */
export interface MailCatcher {
  /** A value for SMTP_URL. */
  readonly url: string;
  /** All accepted mails, oldest first. */
  readonly mails: readonly CaughtMail[];
  /** The number of SMTP sessions so far, including failed ones. */
  countSessions(): number;
  /** Fails the next mails, one fault for each; accepts mails after that. */
  failNext(...faults: MailFault[]): void;
  /** Fails every mail to this address; `undefined` ends that. */
  failAlways(address: string, fault: MailFault | undefined): void;
  /** Refuses connections until `comeBack`, which reopens the same port. */
  goDown(): Promise<void>;
  comeBack(): Promise<void>;
  close(): Promise<void>;
}

export interface MailCatcherOptions {
  /** A free port by default. Another process can take that port while the server is down. */
  readonly port?: number;
  readonly onMail?: (mail: CaughtMail) => void;
}

const host = '127.0.0.1';

export async function startMailCatcher(options: MailCatcherOptions = {}): Promise<MailCatcher> {
  const mails: CaughtMail[] = [];
  const next: MailFault[] = [];
  const always = new Map<string, MailFault>();
  let sessions = 0;
  const faultOf = (address: string) => always.get(address) ?? next.shift();

  const create = () => {
    const faults = new Map<string, MailFault | undefined>();
    const server: SMTPServer = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS', 'AUTH'],
      logger: false,
      onConnect: (_session, done) => {
        sessions += 1;
        done();
      },
      onRcptTo: ({ address }, session, done) => {
        const fault = faultOf(address);
        faults.set(session.id, fault);
        done(fault?.at === 'recipient' ? refusal(fault.code) : null);
      },
      onData: (stream, session, done) => {
        const fault = faults.get(session.id);
        if (fault?.at === 'hang-up') {
          stream.resume();
          for (const connection of server.connections) if (connection.session.id === session.id) connection.close();
          return;
        }
        const receive = async () => {
          const raw = await readAll(stream);
          if (fault?.at === 'message') throw refusal(fault.code);
          const { mailFrom, rcptTo } = session.envelope;
          const from = mailFrom === false ? '' : mailFrom.address;
          const mail = readMail(
            raw,
            from,
            rcptTo.map(({ address }) => address),
          );
          mails.push(mail);
          options.onMail?.(mail);
        };
        // Reading fails when the sender disconnects in the middle of a mail. The reply is then lost, which is fine.
        void receive().then(() => done(), done);
      },
    });
    server.on('error', () => {});
    return server;
  };

  const listen = (server: SMTPServer, port: number) =>
    new Promise<number>((resolve, reject) => {
      server.server.once('error', reject);
      const listener = server.listen(port, host, () => resolve((listener.address() as { port: number }).port));
    });
  const end = (server: SMTPServer) =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const connection of server.connections) connection.close();
    });

  let server = create();
  const port = await listen(server, options.port ?? 0);
  return {
    url: `smtp://${host}:${port}`,
    mails,
    countSessions: () => sessions,
    failNext: (...faults) => void next.push(...faults),
    failAlways: (address, fault) => void (fault === undefined ? always.delete(address) : always.set(address, fault)),
    goDown: () => end(server),
    comeBack: async () => {
      server = create();
      await listen(server, port);
    },
    close: () => end(server),
  };
}

function refusal(code: number): Error {
  return Object.assign(new Error(code < 500 ? 'Try again later' : 'No such mailbox'), { responseCode: code });
}

async function readAll(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
