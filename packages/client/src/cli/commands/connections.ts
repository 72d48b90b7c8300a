import { type Command, Option } from 'commander';
import { type VpnClient } from '../../client.js';
import { VpnApiError } from '../../errors.js';
import { toQrText } from '../../qr.js';
import { type Connection } from '../../wallet/state.js';
import { toWgQuick } from '../../wg-quick.js';
import { type DnsBlocking } from '../../wire.js';
import { type Context } from '../context.js';
import { CommandError, exitCodes } from '../failures.js';
import { writePrivately } from '../files.js';
import { countryName } from '../../locations.js';
import { localTime, type Output, printResult, table, withProgress } from '../output.js';
import { bringUp, readTunnels, takeDownAll } from '../tunnel.js';

interface ConnectCommandOptions extends Output {
  readonly conf?: string;
  readonly qr: boolean;
  readonly up: boolean;
  readonly dnsBlocking: DnsBlocking;
}

const dnsBlockingLevels: readonly DnsBlocking[] = ['none', 'ads', 'ads_trackers_malware'];

export function addConnectionCommands(program: Command, context: Context): void {
  program
    .command('locations')
    .description('List the available locations')
    .option('--json', 'Print JSON', false)
    .action((output: Output) => locations(context, output));
  program
    .command('connect')
    .description('Connect to a location; by default, print the WireGuard configuration')
    .argument('[location]', 'Id, city or country (default: the least busy location)')
    .addOption(
      new Option('--conf <file>', 'Write the configuration to a file readable only by you').conflicts(['qr', 'up']),
    )
    .addOption(
      new Option('--qr', "Show the configuration as a QR code for WireGuard's mobile app")
        .default(false)
        .conflicts('up'),
    )
    .option('--up', 'Bring up the tunnel with wg-quick, replacing a running tunnel without a gap', false)
    .addOption(
      new Option('--dns-blocking <level>', 'Domains that the DNS resolver blocks')
        .choices(dnsBlockingLevels)
        .default('none'),
    )
    .option('--json', 'Print JSON', false)
    .addHelpText(
      'after',
      `
Examples:
  vpn connect --up                       the least busy location
  vpn connect Frankfurt --conf wg0.conf  for wg-quick or NetworkManager
  vpn connect germany --qr               for a phone

A connection lasts one day. To renew it, connect again: with --up, the new tunnel is up before the old one goes down.`,
    )
    .action((location: string | undefined, options: ConnectCommandOptions) => connect(context, location, options));
  program
    .command('status')
    .description("Show this device's connections")
    .option('--json', 'Print JSON', false)
    .action((output: Output) => status(context, output));
  program
    .command('disconnect')
    .description('End a connection')
    .argument('[connection]', 'Id of the connection, or its beginning; required when there are several')
    .option('--all', 'End all connections', false)
    .option('--json', 'Print JSON', false)
    .addHelpText('after', '\nExamples:\n  vpn disconnect\n  vpn disconnect 3f1c\n  vpn disconnect --all')
    .action((id: string | undefined, options: Output & { readonly all: boolean }) => disconnect(context, id, options));
}

async function locations(context: Context, output: Output): Promise<void> {
  const found = await withProgress(context.io, output, 'Loading locations', (await context.client()).locations());
  const sorted = found.toSorted((a, b) => a.id.localeCompare(b.id, 'en'));
  const rows = sorted.map(({ id, country, city, load, available }) => [
    id,
    city,
    countryName(country),
    available ? `${load} %` : 'full',
  ]);
  printResult(
    context.io,
    output,
    sorted,
    rows.length > 0 ? table(['location', 'city', 'country', 'load'], rows) : ['The service offers no locations yet.'],
  );
}

async function connect(context: Context, location: string | undefined, options: ConnectCommandOptions): Promise<void> {
  const { io } = context;
  const client = await context.client();
  const { dnsBlocking } = options;
  const connection = await withProgress(io, options, 'Connecting', client.connect({ location, dnsBlocking }));
  const data = { id: connection.id, location: connection.location, expiresAt: connection.expiresAt };
  const connected = `Connected to ${connection.location} until ${localTime(connection.expiresAt)}.`;
  if (options.up) {
    const previous = await readTunnels(context);
    const { conf } = await bringUp(context, connection).catch(async (error: unknown) => {
      // End a connection without a tunnel, so that it does not take up room. Otherwise it ends when it expires.
      const isUp = (await readTunnels(context)).some(({ connectionId }) => connectionId === connection.id);
      if (!isUp) await client.disconnect(connection).catch(() => undefined);
      throw error;
    });
    await endPrevious(
      context,
      client,
      previous.map(({ connectionId }) => connectionId),
    );
    printResult(io, options, { ...data, conf, up: true }, [connected, 'Disconnect: vpn disconnect']);
  } else if (options.conf !== undefined) {
    await writePrivately(options.conf, toWgQuick(connection));
    printResult(io, options, { ...data, conf: options.conf }, [connected, `Next: wg-quick up ${options.conf}`]);
  } else if (options.qr) {
    printResult(io, options, { ...data, wireguardConf: toWgQuick(connection) }, [toQrText(connection), connected]);
  } else {
    printResult(io, options, { ...data, wireguardConf: toWgQuick(connection) }, [toWgQuick(connection).trimEnd()]);
    if (!options.json) io.log(connected);
  }
}

/** The new tunnel is up, so a previous connection that cannot be ended is no failure: it ends when it expires. */
async function endPrevious({ io }: Context, client: VpnClient, ids: readonly string[]): Promise<void> {
  const previous = (await client.connections()).filter(({ id }) => ids.includes(id));
  for (const connection of previous) {
    await client.disconnect(connection).catch((error: unknown) => {
      if (!(error instanceof VpnApiError)) throw error;
      const short = connection.id.slice(0, 8);
      const until = localTime(connection.expiresAt);
      io.log(`The previous connection could not be ended. It ends at ${until}, or with: vpn disconnect ${short}`);
    });
  }
}

async function status(context: Context, output: Output): Promise<void> {
  const client = await context.client();
  const connections = await client.connections();
  const tunnels = await readTunnels(context);
  const statuses = await withProgress(
    context.io,
    output,
    'Loading connections',
    Promise.all(connections.map((connection) => statusOf(client, connection))),
  );
  const data = connections.map(({ id, location, expiresAt, renewAt }, index) => {
    const tunnelConf = tunnels.find(({ connectionId }) => connectionId === id)?.conf;
    const status = statuses[index] ?? 'unknown';
    return { id, location, status, expiresAt, renewAt, ...(tunnelConf && { tunnelConf }) };
  });
  const rows = data.map((row) => [
    row.id.slice(0, 8),
    row.location,
    row.status,
    localTime(row.expiresAt),
    row.tunnelConf === undefined ? '' : 'up',
  ]);
  printResult(
    context.io,
    output,
    data,
    rows.length > 0 ? table(['connection', 'location', 'status', 'until', 'tunnel'], rows) : ['Not connected.'],
  );
}

async function statusOf(client: VpnClient, connection: Connection): Promise<string> {
  try {
    return (await client.connectionStatus(connection)).status;
  } catch (error) {
    if (error instanceof VpnApiError && error.code === 'connection_not_found') return 'ended';
    throw error;
  }
}

async function disconnect(
  context: Context,
  id: string | undefined,
  options: Output & { readonly all: boolean },
): Promise<void> {
  const client = await context.client();
  const chosen = chooseConnections(await client.connections(), id, options.all);
  const isChosen = (id: string) =>
    options.all || chosen.length === 0 || chosen.some((connection) => connection.id === id);
  await takeDownAll(context, ({ connectionId }) => isChosen(connectionId));
  for (const connection of chosen)
    await withProgress(context.io, options, 'Disconnecting', client.disconnect(connection));
  printResult(
    context.io,
    options,
    chosen.map((connection) => ({ id: connection.id })),
    [chosen.length > 0 ? 'Disconnected.' : 'Not connected.'],
  );
}

function chooseConnections(
  connections: readonly Connection[],
  id: string | undefined,
  all: boolean,
): readonly Connection[] {
  const matching = id === undefined ? connections : connections.filter((connection) => connection.id.startsWith(id));
  if (id !== undefined && matching.length === 0) {
    const message = `No connection has the id "${id}".`;
    throw new CommandError(message, 'no_such_connection', exitCodes.usage, 'List connections: vpn status');
  }
  if (matching.length > 1 && !all) {
    const ids = matching.map((connection) => connection.id.slice(0, 8)).join(', ');
    const message = `There are several connections: ${ids}.`;
    throw new CommandError(message, 'several_connections', exitCodes.usage, 'Specify one of them, or use --all.');
  }
  return matching;
}
