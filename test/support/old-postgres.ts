import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { query } from './postgres.js';

/**
 * The tests' PostgreSQL, but that it says it is another version: all else that is said, either way, stays.
 *
 * @param version as long as the real one, such as 170009
 */
export async function startOldPostgres(url: string, version: string) {
  const [row] = await query<{ num: string }>(url, `SELECT current_setting('server_version_num') AS num`);
  const real = row?.num ?? '';
  if (real.length !== version.length) throw new Error(`${version} does not fit in the place of ${real}`);
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
    /** The same URL, by way of the old one. */
    through: (there: string) => Object.assign(new URL(there), { host: `127.0.0.1:${port}` }).href,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
