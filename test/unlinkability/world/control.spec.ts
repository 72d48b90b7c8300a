import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Control } from './control.js';

/** A process that ends when it is given a command. */
const server = createServer((socket) => socket.once('data', () => socket.destroy()));

beforeAll(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
});

afterAll(() => server.close());

describe('Control', () => {
  it('rejects a command that the process does not live to answer, and all after it', async () => {
    const control = await Control.connect((server.address() as AddressInfo).port);
    await expect(control.runDueTimers()).rejects.toThrow('before it had answered');
    await expect(control.runDueTimers()).rejects.toThrow('has ended');
    control.close();
  });
});
