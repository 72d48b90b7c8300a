import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { createTransport } from 'nodemailer';
import { describe, expect, it } from 'vitest';
import { startMailCatcher } from './catcher.js';

describe('startMailCatcher', () => {
  it('accepts the next mail after a sender disconnects in the middle of one', async () => {
    const catcher = await startMailCatcher();
    const socket = connect(Number(new URL(catcher.url).port), '127.0.0.1');
    const lines = createInterface(socket)[Symbol.asyncIterator]();
    for (const command of ['HELO there', 'MAIL FROM:<from@example.org>', 'RCPT TO:<to@example.org>', 'DATA']) {
      await lines.next();
      socket.write(`${command}\r\n`);
    }
    expect((await lines.next()).value).toMatch(/^354 /);
    socket.resetAndDestroy();
    await once(socket, 'close');

    const transport = createTransport(catcher.url);
    await transport.sendMail({ from: 'from@example.org', to: 'to@example.org', subject: 'Whole', text: 'Here' });
    transport.close();
    await catcher.close();

    expect(catcher.mails.map(({ text }) => text.trim())).toEqual(['Here']);
  });
});
