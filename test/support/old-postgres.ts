import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { query } from './postgres.js';

/**
 * Starts a proxy in front of PostgreSQL that replaces the server's version number. It forwards everything else unchanged.
 *
 * @param version as long as the real one, such as 170009
 */
export async function startOldPostgres(url: string, version: string) {
  const [row] = await query<{ num: string }>(url, `SELECT current_setting('server_version_num') AS num`);
  const real = row?.num ?? '';
  if (real.length !== version.length) throw new Error(`${version} must be as long as ${real}`);
  const target = Number(new URL(url).port);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream);
    upstream.on('data', (bytes: Buffer) => {
      client.write(Buffer.from(bytes.toString('latin1').replaceAll(real, version), 'latin1'));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    /** The same URL with the host and port of this proxy. */
    through: (directUrl: string) => Object.assign(new URL(directUrl), { host: `127.0.0.1:${port}` }).href,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
