import { ServerResponse } from 'node:http';
import { Gauge } from 'prom-client';

/*
 * Preloaded into a process of the service, after the clock, to plant three leaks that an adversary must find: a line in the
 * log, the label of a metric and a cache in memory, each with an id and an exact time. Node runs this file directly, so it
 * imports only packages.
 */

/** Reachable from the global object, so that it stays in memory. */
const cache = new Map<string, { readonly at: number }>();
Object.assign(globalThis, { plantedCache: cache });

const lastSeen = new Gauge({
  name: 'planted_last_seen_seconds',
  help: 'When a user or a connection was last seen: planted by a test.',
  labelNames: ['id'],
});

function leak(id: string): void {
  const at = Date.now();
  process.stdout.write(`${JSON.stringify({ level: 'debug', time: at, msg: 'planted', id })}\n`);
  lastSeen.set({ id }, at / 1000);
  cache.set(id, { at });
}

/** The `sub` of a Firebase ID token. */
function userOf(authorization: string | undefined): string | undefined {
  const [, payload = ''] = authorization?.split('.') ?? [];
  return (JSON.parse(Buffer.from(payload, 'base64url').toString()) as { sub?: string }).sub;
}

function idIn({ req, statusCode }: ServerResponse, body: unknown): string | undefined {
  if (req.method !== 'POST' || statusCode !== 200) return undefined;
  if (req.url === '/auth/vpn-token') return userOf(req.headers.authorization);
  if (req.url !== '/vpn/config') return undefined;
  return (JSON.parse(String(body)) as { connection_id?: string }).connection_id;
}

const realEnd = Reflect.get(ServerResponse.prototype, 'end') as (...args: unknown[]) => ServerResponse;
ServerResponse.prototype.end = function end(this: ServerResponse, ...args: unknown[]) {
  const id = idIn(this, args[0]);
  if (id !== undefined) leak(id);
  return realEnd.apply(this, args);
};
