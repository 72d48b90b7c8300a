import { once } from 'node:events';
import { chmod, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { text } from 'node:stream/consumers';
import { parseJson } from '../protocol.js';

/** `drain` begins to drain the node. Both requests are answered with the status. */
export type Request = 'status' | 'drain';

const timeoutMs = 5_000;
const maxRequestLength = 100;

/**
 * A Unix socket for the commands `status` and `drain`. Only the daemon's user and root can open it. One daemon can listen on it
 * at a time.
 */
export class StatusSocket {
  private constructor(
    private readonly server: Server,
    private readonly path: string,
  ) {}

  /** @throws {Error} when another daemon is running */
  static async open(path: string, answer: (request: Request) => object): Promise<StatusSocket> {
    if ((await queryDaemon(path, 'status')) !== undefined)
      throw new Error(`another vpn-node-agent is running (${path} answers)`);
    await unlink(path).catch(() => undefined);
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined);
      socket.setTimeout(timeoutMs, () => socket.destroy());
      let request = '';
      socket
        .setEncoding('utf8')
        .on('data', (chunk: string) => (request = (request + chunk).slice(0, maxRequestLength)));
      socket.once('end', () => socket.end(JSON.stringify(answer(request === 'drain' ? 'drain' : 'status'))));
    });
    server.listen(path);
    await once(server, 'listening');
    await chmod(path, 0o600);
    return new StatusSocket(server, path);
  }

  async close(): Promise<void> {
    this.server.close();
    await unlink(this.path).catch(() => undefined);
  }
}

/** @returns the daemon's answer; undefined when no daemon answers */
export async function queryDaemon(path: string, request: Request): Promise<unknown> {
  const socket = connect({ path, allowHalfOpen: true });
  try {
    await once(socket, 'connect');
    socket.end(request);
    return parseJson(await text(socket));
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
}
