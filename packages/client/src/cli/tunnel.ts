import { join } from 'node:path';
import { type Connection } from '../wallet/state.js';
import { toWgQuick } from '../wg-quick.js';
import { type Context } from './context.js';
import { CommandError, exitCodes } from './failures.js';
import { readJson, remove, writePrivately } from './files.js';

/** An interface of this machine that wg-quick has brought up, and for which connection. */
export interface Tunnel {
  readonly connectionId: string;
  /** Its name is the interface's. */
  readonly conf: string;
}

/** Two names, so that the next can be up before the last goes down. */
const names = ['vpn0', 'vpn1'];

const path = (home: string) => join(home, 'tunnel.json');

export async function readTunnel(home: string): Promise<Tunnel | undefined> {
  return readJson<Tunnel>(path(home));
}

/** Brings an interface up with the connection, then takes the one before down. */
export async function bringUp(context: Context, connection: Connection): Promise<Tunnel> {
  const { home } = context;
  const before = await readTunnel(home);
  const conf = names.map((name) => join(home, `${name}.conf`)).find((each) => each !== before?.conf) ?? '';
  await writePrivately(conf, toWgQuick(connection));
  const code = await wgQuick(context, 'up', conf);
  if (code !== 0) {
    await remove(conf);
    throw tunnelFailed(code);
  }
  const tunnel = { connectionId: connection.id, conf };
  await writePrivately(path(home), `${JSON.stringify(tunnel)}\n`);
  if (before !== undefined) await wgQuick(context, 'down', before.conf);
  if (before !== undefined) await remove(before.conf);
  return tunnel;
}

export async function takeDown(context: Context, tunnel: Tunnel): Promise<void> {
  await wgQuick(context, 'down', tunnel.conf);
  await remove(path(context.home));
  await remove(tunnel.conf);
}

async function wgQuick({ io }: Context, verb: 'up' | 'down', conf: string): Promise<number> {
  const isRoot = process.getuid?.() === 0;
  return isRoot ? io.run('wg-quick', [verb, conf]) : io.run('sudo', ['wg-quick', verb, conf]);
}

function tunnelFailed(code: number): CommandError {
  return code === 127
    ? new CommandError(
        'wg-quick is not installed.',
        'no_wg_quick',
        exitCodes.fault,
        'Install wireguard-tools, or take the configuration elsewhere: vpn connect --conf <file>, or --qr',
      )
    : new CommandError(
        `wg-quick could not bring the tunnel up (exit code ${code}).`,
        'tunnel_failed',
        exitCodes.fault,
        'What it said is above.',
      );
}
