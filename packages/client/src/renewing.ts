import { adviceFor } from './advice.js';
import { type ConnectOptions } from './connecting.js';
import { type OnEvent } from './events.js';
import { pause } from './retrying.js';
import { type Connection } from './wallet/state.js';

/** Brings up a tunnel with a connection, in place of the previous connection if there was one. */
export type UseConnection = (next: Connection, previous: Connection | undefined) => Promise<void> | void;

export interface StayOptions extends ConnectOptions {
  readonly use: UseConnection;
  /** Abort it to end the connection. */
  readonly signal: AbortSignal;
}

/** The parts of `VpnClient` that renewing uses. */
export interface RenewingDependencies {
  connect(options: ConnectOptions): Promise<Connection>;
  disconnect(connection: Connection): Promise<void>;
  readonly now: () => number;
  readonly onEvent: OnEvent;
}

/** Timers stop while a device sleeps, so a wait checks the clock this often. */
const clockCheckMs = 30_000;
const retryMs = 60_000;

/** Make before break: the old connection is ended once the new one is in use, and stays when the new one cannot be used. */
export async function renew(
  { connect, disconnect }: Pick<RenewingDependencies, 'connect' | 'disconnect'>,
  previous: Connection,
  use: UseConnection,
  options: ConnectOptions,
): Promise<Connection> {
  const next = await connectAndUse({ connect, disconnect }, previous, use, options);
  // If the service cannot be reached, the connection ends when it expires.
  await disconnect(previous).catch(ignore);
  return next;
}

/** Ends a connection that cannot be used, so that it does not take up room. */
async function connectAndUse(
  { connect, disconnect }: Pick<RenewingDependencies, 'connect' | 'disconnect'>,
  previous: Connection | undefined,
  use: UseConnection,
  options: ConnectOptions,
): Promise<Connection> {
  const next = await connect(options);
  try {
    await use(next, previous);
  } catch (error) {
    await disconnect(next).catch(ignore);
    throw error;
  }
  return next;
}

export async function stayConnected(
  client: RenewingDependencies,
  { use, signal, ...connectOptions }: StayOptions,
): Promise<void> {
  const options = { ...connectOptions, signal };
  let connection = await connectAndUse(client, undefined, use, options);
  try {
    for (;;) {
      await waitUntil(Date.parse(connection.renewAt), client.now, signal);
      connection = await renewWithRetries(client, connection, use, options);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    if (signal.aborted) await client.disconnect(connection);
  }
}

/** Retries until it succeeds or fails with an error that a retry cannot fix. */
async function renewWithRetries(
  client: RenewingDependencies,
  connection: Connection,
  use: UseConnection,
  options: ConnectOptions & { readonly signal: AbortSignal },
): Promise<Connection> {
  for (;;) {
    try {
      return await renewAtSameLocation(client, connection, use, options);
    } catch (error) {
      const { action, retryAfter = 0 } = adviceFor(error);
      if (options.signal.aborted || !['retry', 'choose_location', 'wait'].includes(action)) throw error;
      client.onEvent({ type: 'renewal_failed', error });
      await waitUntil(client.now() + Math.max(retryMs, retryAfter * 1000), client.now, options.signal);
    }
  }
}

/**
 * Renews at the connection's location, so that the user's visible address does not change needlessly. When that location is
 * full, renews at another one that matches the options.
 */
async function renewAtSameLocation(
  client: RenewingDependencies,
  connection: Connection,
  use: UseConnection,
  options: ConnectOptions,
): Promise<Connection> {
  try {
    return await renew(client, connection, use, { ...options, location: connection.location });
  } catch (error) {
    if (adviceFor(error).action !== 'choose_location') throw error;
    return renew(client, connection, use, options);
  }
}

async function waitUntil(at: number, now: () => number, signal: AbortSignal): Promise<void> {
  while (now() < at) await pause(Math.min(clockCheckMs, at - now()), signal);
}

function ignore(): void {}
