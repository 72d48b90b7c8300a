import { once } from 'node:events';
import { createServer } from 'node:http';
import { serve } from './remote.js';

/** A website that answers every request with the client's address. */
const server = createServer((request, response) => {
  const address = request.socket.remoteAddress?.replace(/^::ffff:/, '') ?? '';
  response.setHeader('content-type', 'text/plain').setHeader('connection', 'close').end(address);
});
server.listen(80, '::');
await once(server, 'listening');

serve({});
