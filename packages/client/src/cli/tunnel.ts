import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Connection } from '../wallet/state.js';
import { toWgQuick } from '../wg-quick.js';
import { type Context } from './context.js';
import { CommandError, exitCodes } from './failures.js';
import { hasCode, readJson, remove, writePrivately } from './files.js';
import { type Io } from './io.js';

/*
 * Interfaces of this machine that the command has brought up, each with a record and a configuration of its name. The record is
 * written before wg-quick is run and removed after it has taken the interface down, so whatever ends this process between,
 * no interface is up that nobody knows. A record without an interface is left from that, or from a reboot.
 */

export interface Tunnel {
  /** The interface's name. */
  readonly name: string;
  readonly connectionId: string;
  readonly conf: string;
}

/** More than one, so that the next can be up before the last goes down. */
const names = Array.from({ length: 10 }, (_, index) => `vpn${index}`);

const folderOf = (home: string) => join(home, 'tunnels');
const recordOf = (home: string, name: string) => join(folderOf(home), `${name}.json`);
const confOf = (home: string, name: string) => join(folderOf(home), `${name}.conf`);

/** Every interface that is up, or was when this machine or this command was stopped. */
async function knownTunnels(home: string): Promise<Tunnel[]> {
  const files = await readdir(folderOf(home)).catch((error: unknown): string[] => {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  });
  const known = names.filter((name) => files.includes(`${name}.json`));
  return Promise.all(
    known.map(async (name) => {
      // Empty when its writer was killed: then nothing was brought up yet.
      const record = await readJson<{ connectionId: string }>(recordOf(home, name)).catch(() => undefined);
      return { name, connectionId: record?.connectionId ?? '', conf: confOf(home, name) };
    }),
  );
}

/** The interfaces that are up now. */
export async function readTunnels({ home, io }: Context): Promise<Tunnel[]> {
  return (await knownTunnels(home)).filter(({ name }) => io.hasInterface(name));
}

/**
 * Brings an interface up with the connection, then takes those before down.
 *
 * @throws {CommandError} `no_wg_quick`, `tunnel_failed`: it is not up, and those before are; `tunnel_left`: it is up
 */
export async function bringUp(context: Context, connection: Connection): Promise<Tunnel> {
  const before = await knownTunnels(context.home);
  const tunnel = await claim(context, connection);
  const code = await wgQuick(context.io, 'up', tunnel.conf);
  if (code !== 0) {
    // wg-quick undoes what it had begun.
    await forget(context, tunnel);
    throw tunnelFailed(code);
  }
  for (const each of before) await takeDown(context, each);
  return tunnel;
}

/** Takes a name that no other process, interface or record has. */
async function claim({ home, io }: Context, connection: Connection): Promise<Tunnel> {
  await mkdir(folderOf(home), { recursive: true, mode: 0o700 });
  for (const name of names.filter((each) => !io.hasInterface(each))) {
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
    'End them: vpn disconnect --all',
  );
}

/** @throws {CommandError} `tunnel_left`: it is still up */
async function takeDown(context: Context, tunnel: Tunnel): Promise<void> {
  if (context.io.hasInterface(tunnel.name)) {
    const code = await wgQuick(context.io, 'down', tunnel.conf);
    if (code !== 0 && context.io.hasInterface(tunnel.name)) {
      throw new CommandError(
        `wg-quick could not take the tunnel ${tunnel.name} down (exit code ${code}).`,
        'tunnel_left',
        exitCodes.fault,
        `What it said is above. Then: vpn disconnect, or as root: wg-quick down ${tunnel.conf}`,
      );
    }
  }
  await forget(context, tunnel);
}

/** Takes down all tunnels, or those of some connections; also what is left of such. */
export async function takeDownAll(context: Context, isMeant: (tunnel: Tunnel) => boolean): Promise<void> {
  for (const tunnel of await knownTunnels(context.home)) if (isMeant(tunnel)) await takeDown(context, tunnel);
}

/** The record last: a configuration without one is overwritten, a record without one could not be taken down. */
async function forget({ home }: Context, { name, conf }: Tunnel): Promise<void> {
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
        'Install wireguard-tools, or take the configuration elsewhere: vpn connect --conf <file>, or --qr',
      )
    : new CommandError(
        `wg-quick could not bring the tunnel up (exit code ${code}).`,
        'tunnel_failed',
        exitCodes.fault,
        'What it said is above.',
      );
}
