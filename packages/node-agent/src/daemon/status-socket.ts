import { once } from 'node:events';
import { chmod, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { text } from 'node:stream/consumers';
import { parseJson } from '../protocol.js';

/** Tells whoever may open the socket how the daemon is: its owner and root. One daemon at a time can hold it. */
export class StatusSocket {
  private constructor(
    private readonly server: Server,
    private readonly path: string,
  ) {}

  /** @throws {Error} when another daemon runs */
  static async open(path: string, status: () => object): Promise<StatusSocket> {
    if ((await askStatus(path)) !== undefined) throw new Error(`another vpn-node-agent is running (${path} answers)`);
    await unlink(path).catch(() => undefined);
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.end(JSON.stringify(status()));
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
export async function askStatus(path: string): Promise<unknown> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return parseJson(await text(socket));
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
}
