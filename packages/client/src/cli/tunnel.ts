import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Connection } from '../wallet/state.js';
import { toWgQuick } from '../wg-quick.js';
import { type Context } from './context.js';
import { CommandError, exitCodes } from './failures.js';
import { hasCode, readJson, remove, writePrivately } from './files.js';
import { type Io } from './io.js';

/*
 * The network interfaces that this command has brought up. Each has a record and a configuration file under its name. The record
 * is written before `wg-quick up` runs and removed after `wg-quick down`. So even if this process is killed, every interface that
 * is up has a record. A record without an interface is left over from such a crash or from a reboot.
 */

export interface Tunnel {
  /** The interface's name. */
  readonly name: string;
  readonly connectionId: string;
  readonly conf: string;
}

/** Several, so that a new tunnel can be up before the old one goes down. */
const names = Array.from({ length: 10 }, (_, index) => `vpn${index}`);

const folderOf = (home: string) => join(home, 'tunnels');
const recordOf = (home: string, name: string) => join(folderOf(home), `${name}.json`);
const confOf = (home: string, name: string) => join(folderOf(home), `${name}.conf`);

/** All recorded tunnels: those that are up, and those left over from a crash or reboot. */
async function recordedTunnels(home: string): Promise<Tunnel[]> {
  const files = await readdir(folderOf(home)).catch((error: unknown): string[] => {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  });
  const recorded = names.filter((name) => files.includes(`${name}.json`));
  return Promise.all(
    recorded.map(async (name) => {
      // The record is empty if its writer was killed. Then nothing was brought up yet.
      const record = await readJson<{ connectionId: string }>(recordOf(home, name)).catch(() => undefined);
      return { name, connectionId: record?.connectionId ?? '', conf: confOf(home, name) };
    }),
  );
}

/** The tunnels that are up now. */
export async function readTunnels({ home, io }: Context): Promise<Tunnel[]> {
  return (await recordedTunnels(home)).filter(({ name }) => io.hasInterface(name));
}

/**
 * Brings up a tunnel with the connection, then takes down the previous tunnels.
 *
 * @throws {CommandError} `no_wg_quick`, `tunnel_failed`: the new tunnel is not up, the previous ones still are;
 * `tunnel_left`: the new tunnel is up, and a previous one still is
 */
export async function bringUp(context: Context, connection: Connection): Promise<Tunnel> {
  const previous = await recordedTunnels(context.home);
  const tunnel = await reserveTunnel(context, connection);
  const code = await wgQuick(context.io, 'up', tunnel.conf);
  if (code !== 0) {
    // A failed `wg-quick up` has undone its changes.
    await removeTunnelFiles(context, tunnel);
    throw tunnelFailed(code);
  }
  for (const old of previous) await takeDown(context, old);
  return tunnel;
}

/** Reserves a name that no other process, interface or record uses. */
async function reserveTunnel({ home, io }: Context, connection: Connection): Promise<Tunnel> {
  await mkdir(folderOf(home), { recursive: true, mode: 0o700 });
  for (const name of names.filter((candidate) => !io.hasInterface(candidate))) {
    try {
      const record = `${JSON.stringify({ connectionId: connection.id })}\n`;
      await writeFile(recordOf(home, name), record, { mode: 0o600, flag: 'wx' });
    } catch (error) {
      if (hasCode(error, 'EEXIST')) continue;
      throw error;
    }
    await writePrivately(confOf(home, name), toWgQuick(connection));
    return { name, connectionId: connection.id, conf: confOf(home, name) };
  }
  throw new CommandError(
    'Too many tunnels are up.',
    'too_many_tunnels',
    exitCodes.fault,
    'Take them down: vpn disconnect --all',
  );
}

/** @throws {CommandError} `tunnel_left`: the tunnel is still up */
async function takeDown(context: Context, tunnel: Tunnel): Promise<void> {
  if (context.io.hasInterface(tunnel.name)) {
    const code = await wgQuick(context.io, 'down', tunnel.conf);
    if (code !== 0 && context.io.hasInterface(tunnel.name)) {
      throw new CommandError(
        `wg-quick could not take down the tunnel ${tunnel.name} (exit code ${code}).`,
        'tunnel_left',
        exitCodes.fault,
        `See the output of wg-quick above. Then run vpn disconnect again, or as root: wg-quick down ${tunnel.conf}`,
      );
    }
  }
  await removeTunnelFiles(context, tunnel);
}

/** Takes down the tunnels that match, and removes matching records that are left over. */
export async function takeDownAll(context: Context, matches: (tunnel: Tunnel) => boolean): Promise<void> {
  for (const tunnel of await recordedTunnels(context.home)) if (matches(tunnel)) await takeDown(context, tunnel);
}

/** Removes the record last: without its record a configuration is overwritten, but without its configuration a tunnel stays up. */
async function removeTunnelFiles({ home }: Context, { name, conf }: Tunnel): Promise<void> {
  await remove(conf);
  await remove(recordOf(home, name));
}

async function wgQuick(io: Io, verb: 'up' | 'down', conf: string): Promise<number> {
  const isRoot = process.getuid?.() === 0;
  return isRoot ? io.run('wg-quick', [verb, conf]) : io.run('sudo', ['wg-quick', verb, conf]);
}

function tunnelFailed(code: number): CommandError {
  return code === 127
    ? new CommandError(
        'wg-quick is not installed.',
        'no_wg_quick',
        exitCodes.fault,
        'Install wireguard-tools, or use the configuration on another device: vpn connect --conf <file>, or --qr',
      )
    : new CommandError(
        `wg-quick could not bring up the tunnel (exit code ${code}).`,
        'tunnel_failed',
        exitCodes.fault,
        'See the output of wg-quick above.',
      );
}
