import { once } from 'node:events';
import { chmod, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { text } from 'node:stream/consumers';
import { parseJson } from '../protocol.js';

/** What can be asked. The answer to all is the status, after what was asked for has been begun. */
export type Request = 'status' | 'drain';

const patienceMs = 5_000;
const longestRequest = 100;

/** Answers whoever may open the socket: the daemon's owner and root. One daemon at a time can hold it. */
export class StatusSocket {
  private constructor(
    private readonly server: Server,
    private readonly path: string,
  ) {}

  /** @throws {Error} when another daemon runs */
  static async open(path: string, answer: (request: Request) => object): Promise<StatusSocket> {
    if ((await askDaemon(path, 'status')) !== undefined)
      throw new Error(`another vpn-node-agent is running (${path} answers)`);
    await unlink(path).catch(() => undefined);
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined);
      socket.setTimeout(patienceMs, () => socket.destroy());
      let request = '';
      socket.setEncoding('utf8').on('data', (chunk: string) => (request = (request + chunk).slice(0, longestRequest)));
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

/** What the daemon says; undefined when none answers. */
export async function askDaemon(path: string, request: Request): Promise<unknown> {
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
