import { adviceFor } from './advice.js';
import { type ConnectOptions } from './connecting.js';
import { type OnEvent } from './events.js';
import { pause } from './retrying.js';
import { type Connection } from './wallet/state.js';

/** Brings a tunnel up with a connection, in place of the one before where there was one. */
export type UseConnection = (next: Connection, previous: Connection | undefined) => Promise<void> | void;

export interface StayOptions extends ConnectOptions {
  readonly use: UseConnection;
  /** Ends it: the connection is ended then. */
  readonly signal: AbortSignal;
}

/** What renewing needs of a client. */
export interface RenewingParts {
  connect(options: ConnectOptions): Promise<Connection>;
  disconnect(connection: Connection): Promise<void>;
  readonly now: () => number;
  readonly onEvent: OnEvent;
}

/** Timers stand still while a device sleeps: look at the clock this often. */
const lookMs = 30_000;
const retryMs = 60_000;

/** Make before break: the old connection ends when the new one is in use, and stays when it cannot be used. */
export async function renew(
  { connect, disconnect }: Pick<RenewingParts, 'connect' | 'disconnect'>,
  previous: Connection,
  use: UseConnection,
  options: ConnectOptions,
): Promise<Connection> {
  const next = await connectAndUse({ connect, disconnect }, previous, use, options);
  // Unreachable now: it ends by itself at its time.
  await disconnect(previous).catch(ignore);
  return next;
}

/** A connection that cannot be used is ended: it would only take up room. */
async function connectAndUse(
  { connect, disconnect }: Pick<RenewingParts, 'connect' | 'disconnect'>,
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

export async function stayConnected(parts: RenewingParts, { use, signal, ...wish }: StayOptions): Promise<void> {
  const options = { ...wish, signal };
  let connection = await connectAndUse(parts, undefined, use, options);
  try {
    for (;;) {
      await until(Date.parse(connection.renewAt), parts.now, signal);
      connection = await renewed(parts, connection, use, options);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    if (signal.aborted) await parts.disconnect(connection);
  }
}

/** Tries until it succeeds, as long as trying again may help. */
async function renewed(
  parts: RenewingParts,
  connection: Connection,
  use: UseConnection,
  options: ConnectOptions & { readonly signal: AbortSignal },
): Promise<Connection> {
  for (;;) {
    try {
      return await renewHere(parts, connection, use, options);
    } catch (error) {
      const { action, retryAfter = 0 } = adviceFor(error);
      if (options.signal.aborted || !['retry', 'choose_location', 'wait'].includes(action)) throw error;
      parts.onEvent({ type: 'renewal_failed', error });
      await until(parts.now() + Math.max(retryMs, retryAfter * 1000), parts.now, options.signal);
    }
  }
}

/** Where the connection is: a person's address does not change by itself. Elsewhere within the wish when there is no room. */
async function renewHere(
  parts: RenewingParts,
  connection: Connection,
  use: UseConnection,
  options: ConnectOptions,
): Promise<Connection> {
  try {
    return await renew(parts, connection, use, { ...options, location: connection.location });
  } catch (error) {
    if (adviceFor(error).action !== 'choose_location') throw error;
    return renew(parts, connection, use, options);
  }
}

async function until(at: number, now: () => number, signal: AbortSignal): Promise<void> {
  while (now() < at) await pause(Math.min(lookMs, at - now()), signal);
}

function ignore(): void {}
