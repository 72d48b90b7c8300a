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
import { during, moment, type Output, printResult, table } from '../output.js';
import { bringUp, readTunnels, takeDownAll } from '../tunnel.js';

interface ConnectCommand extends Output {
  readonly conf?: string;
  readonly qr: boolean;
  readonly up: boolean;
  readonly dnsBlocking: DnsBlocking;
}

const blockings: readonly DnsBlocking[] = ['none', 'ads', 'ads_trackers_malware'];

export function addConnectionCommands(program: Command, context: Context): void {
  program
    .command('locations')
    .description('where connections can go')
    .option('--json', 'print JSON', false)
    .action((output: Output) => locations(context, output));
  program
    .command('connect')
    .description('make a connection; without an option its configuration is printed')
    .argument('[location]', 'id, city or country; the least busy of all when absent')
    .addOption(
      new Option('--conf <file>', 'write the configuration into a file that only you can read').conflicts(['qr', 'up']),
    )
    .addOption(new Option('--qr', "show it as a QR code, for WireGuard's mobile app").default(false).conflicts('up'))
    .option('--up', 'bring the tunnel up with wg-quick; one that is up is replaced without a gap', false)
    .addOption(new Option('--dns-blocking <level>', 'what resolvers refuse').choices(blockings).default('none'))
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      `
Examples:
  vpn connect --up                       the least busy location
  vpn connect Frankfurt --conf wg0.conf  for wg-quick or NetworkManager
  vpn connect germany --qr               for a phone

A connection lasts a day. To renew it, connect again: with --up, the new tunnel is up before the old one goes.`,
    )
    .action((location: string | undefined, options: ConnectCommand) => connect(context, location, options));
  program
    .command('status')
    .description('connections of this device')
    .option('--json', 'print JSON', false)
    .action((output: Output) => status(context, output));
  program
    .command('disconnect')
    .description('end a connection')
    .argument('[connection]', 'its id, or the beginning of it; needed when there are several')
    .option('--all', 'end all of them', false)
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExamples:\n  vpn disconnect\n  vpn disconnect 3f1c\n  vpn disconnect --all')
    .action((id: string | undefined, options: Output & { readonly all: boolean }) => disconnect(context, id, options));
}

async function locations(context: Context, output: Output): Promise<void> {
  const found = await during(context.io, output, 'Asking for locations', (await context.client()).locations());
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
    rows.length > 0 ? table(['location', 'city', 'country', 'load'], rows) : ['No location is offered yet.'],
  );
}

async function connect(context: Context, location: string | undefined, options: ConnectCommand): Promise<void> {
  const { io } = context;
  const client = await context.client();
  const { dnsBlocking } = options;
  const connection = await during(io, options, 'Connecting', client.connect({ location, dnsBlocking }));
  const data = { id: connection.id, location: connection.location, expiresAt: connection.expiresAt };
  const said = `Connected by ${connection.location} until ${moment(connection.expiresAt)}.`;
  if (options.up) {
    const previous = await readTunnels(context);
    const { conf } = await bringUp(context, connection).catch(async (error: unknown) => {
      // Without a tunnel it would only take up room. Unreachable now: it ends by itself at its time.
      const isUp = (await readTunnels(context)).some(({ connectionId }) => connectionId === connection.id);
      if (!isUp) await client.disconnect(connection).catch(() => undefined);
      throw error;
    });
    await endPrevious(
      context,
      client,
      previous.map(({ connectionId }) => connectionId),
    );
    printResult(io, options, { ...data, conf, up: true }, [said, 'To end it: vpn disconnect']);
  } else if (options.conf !== undefined) {
    await writePrivately(options.conf, toWgQuick(connection));
    printResult(io, options, { ...data, conf: options.conf }, [said, `Next: wg-quick up ${options.conf}`]);
  } else if (options.qr) {
    printResult(io, options, { ...data, wireguardConf: toWgQuick(connection) }, [toQrText(connection), said]);
  } else {
    printResult(io, options, { ...data, wireguardConf: toWgQuick(connection) }, [toWgQuick(connection).trimEnd()]);
    if (!options.json) io.tell(said);
  }
}

/** The tunnel is up: what cannot be ended now is no failure, and ends by itself. */
async function endPrevious({ io }: Context, client: VpnClient, ids: readonly string[]): Promise<void> {
  const previous = (await client.connections()).filter(({ id }) => ids.includes(id));
  for (const connection of previous) {
    await client.disconnect(connection).catch((error: unknown) => {
      if (!(error instanceof VpnApiError)) throw error;
      const short = connection.id.slice(0, 8);
      const until = moment(connection.expiresAt);
      io.tell(`The connection before could not be ended: it ends at ${until}, or by: vpn disconnect ${short}`);
    });
  }
}

async function status(context: Context, output: Output): Promise<void> {
  const client = await context.client();
  const connections = await client.connections();
  const tunnels = await readTunnels(context);
  const asked = await during(
    context.io,
    output,
    'Asking for the connections',
    Promise.all(connections.map((connection) => statusOf(client, connection))),
  );
  const data = connections.map(({ id, location, expiresAt, renewAt }, index) => {
    const tunnelConf = tunnels.find(({ connectionId }) => connectionId === id)?.conf;
    return { id, location, status: asked[index] ?? 'unknown', expiresAt, renewAt, ...(tunnelConf && { tunnelConf }) };
  });
  const rows = data.map((row) => [
    row.id.slice(0, 8),
    row.location,
    row.status,
    moment(row.expiresAt),
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
  for (const connection of chosen) await during(context.io, options, 'Disconnecting', client.disconnect(connection));
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
  const meant = id === undefined ? connections : connections.filter((connection) => connection.id.startsWith(id));
  if (id !== undefined && meant.length === 0) {
    throw new CommandError(`No connection is called ${id}.`, 'no_such_connection', exitCodes.usage, 'See: vpn status');
  }
  if (meant.length > 1 && !all) {
    const ids = meant.map((connection) => connection.id.slice(0, 8)).join(', ');
    throw new CommandError(`There are several: ${ids}.`, 'several_connections', exitCodes.usage, 'Name one, or --all.');
  }
  return meant;
}
