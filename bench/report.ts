import { readFileSync, writeFileSync } from 'node:fs';
import { type GrowthPoint, type PaymentsMeasured, type UsersMeasured, type Results } from './results.js';
import { type Measured } from './rounds.js';
import { median, ratioOf } from './statistics.js';

const whole = (value: number) => Math.round(value).toLocaleString('en-US');
const tenths = (value: number) => value.toFixed(1);
const hundredths = (value: number) => value.toFixed(2);

/** Renders the tables of a run as Markdown. */
export function render(results: Results): string {
  const { issuing, redeeming, growth, payments, users } = results;
  const parts = [
    heading(results),
    targets(results),
    ...(issuing ? ['### Issuing', comparison(issuing), signing(results), cpuComparison(issuing)] : []),
    ...(redeeming ? ['### Redeeming', comparison(redeeming), cpuComparison(redeeming)] : []),
    ...(growth ? ['### Growth', growthTable(growth)] : []),
    ...(payments
      ? ['### Payments', paymentsTable(payments), cpuTable('an event in the long run', payments.sustained.cpuMs)]
      : []),
    ...(users
      ? [
          '### Notifications, export and deletion',
          usersTable(users),
          cpuTable('a notification', users.notifications.cpuMs),
        ]
      : []),
  ];
  return parts.join('\n\n');
}

const begin = '<!-- figures: written by npm run bench -- --markdown docs/performance.md -->';
const end = '<!-- end of figures -->';

/** Replaces the text between the markers of a page with the tables. */
export function writeInto(file: string, results: Results): void {
  const page = readFileSync(file, 'utf8');
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${file} does not contain the markers ${begin} and ${end}`);
  writeFileSync(file, `${page.slice(0, from)}${begin}\n\n${render(results)}\n\n${page.slice(to)}`);
}

function heading({ at, quick, machine, loadAverageBefore, minutes }: Results): string {
  const facts = Object.entries(machine).map(([name, value]) => [name, value]);
  const when = `${at.slice(0, 10)}, ${whole(minutes)} minutes${quick ? ', **a quick run: its figures are not meaningful**' : ''}`;
  const others = `load average ${tenths(loadAverageBefore)} before the run`;
  return table(['Machine', ''], [['measured', when], ['other work', others], ...facts]);
}

function targets({ service, issuing = [], redeeming = [], growth = [] }: Results): string {
  const rows: string[][] = [];
  const add = (what: string, target: string, value: number, shown: string, met: boolean) => {
    if (!Number.isNaN(value)) rows.push([what, target, shown, met ? 'yes' : '**no**']);
  };
  const compare = (what: string, target: number, ours?: Measured, theirs?: Measured) => {
    if (ours === undefined || theirs === undefined) return;
    const { ratio, min, max } = ratioOf(ours.rates, theirs.rates);
    const shown = `${hundredths(ratio)} (${hundredths(min)}–${hundredths(max)})`;
    add(what, `≥ ${target}`, ratio, shown, ratio >= target);
  };
  compare('issuing, of the bare server', 0.7, issuing[0], issuing[1]);
  compare('redeeming, of the bare server', 0.7, redeeming[0], redeeming[1]);
  const [smallest, largest] = [growth[0], growth.at(-1)];
  if (smallest !== undefined && largest !== undefined && smallest !== largest) {
    const size = `${whole(largest.connections)} connections and ${whole(largest.nodes)} nodes`;
    const small = `${whole(smallest.connections)} and ${whole(smallest.nodes)}`;
    compare(`redeeming at ${size}, of ${small}`, 0.8, largest.measured, smallest.measured);
  }
  add('memory, idle', '< 200 MB', service.idleMb, `${whole(service.idleMb)} MB`, service.idleMb < 200);
  const full = Math.max(...[issuing[0], redeeming[0]].map((measured) => measured?.residentMb ?? 0));
  if (full > 0) add('memory, full load', '< 350 MB', full, `${whole(full)} MB`, full < 350);
  const seconds = service.startMs / 1000;
  add('ready after its stores', '< 3 s', seconds, `${hundredths(seconds)} s`, seconds < 3);
  return table(['Target', '', 'measured', 'met'], rows);
}

function comparison(all: readonly Measured[]): string {
  const bare = all[1];
  const row = (measured: Measured) => [
    measured.name,
    String(measured.connections),
    rateOf(measured),
    bare === undefined ? '' : ratioText(measured, bare),
    ...latencyOf(measured),
    hundredths(measured.cpuMs['server'] ?? NaN),
    hundredths(measured.serverCores),
    whole(measured.residentMb),
    refusalsOf(measured),
  ];
  const head = ['', 'clients', 'a second', 'of bare', 'p50', 'p95', 'p99', 'CPU ms', 'cores', 'MB', 'refused'];
  return table(head, all.map(row));
}

function ratioText(measured: Measured, bare: Measured): string {
  if (measured === bare) return '1';
  const { ratio, min, max } = ratioOf(measured.rates, bare.rates);
  // Servers with a different number of rounds have no pairs to compare.
  if (measured.rates.length !== bare.rates.length) return ratio.toFixed(3);
  return `${hundredths(ratio)} (${hundredths(min)}–${hundredths(max)})`;
}

function signing({ signing: { openssl, blindSignsPerSecond } }: Results): string {
  const rows = [['our blind signature and its check, in a loop', whole(blindSignsPerSecond)]];
  if (openssl !== undefined)
    rows.unshift([`\`openssl speed rsa2048\` (${openssl.version})`, whole(openssl.signsPerSecond)]);
  return table(['One core, nothing but signing', 'signatures a second'], rows);
}

/** CPU time of a request, by process. */
function cpuComparison(all: readonly Measured[]): string {
  const pair = all.slice(0, 2);
  const names = Object.keys(pair[0]?.cpuMs ?? {});
  const rows = names.map((name) => [name, ...pair.map(({ cpuMs }) => hundredths(cpuMs[name] ?? NaN))]);
  return table(['CPU ms a request', ...pair.map(({ name }) => name)], rows);
}

function growthTable(points: readonly GrowthPoint[]): string {
  const smallest = points[0]?.measured;
  const row = ({ connections, nodes, startMs, measured }: GrowthPoint) => [
    whole(connections),
    whole(nodes),
    rateOf(measured),
    smallest === undefined ? '' : ratioText(measured, smallest),
    ...latencyOf(measured),
    hundredths(measured.cpuMs['server'] ?? NaN),
    hundredths(measured.cpuMs['PostgreSQL'] ?? NaN),
    whole(measured.residentMb),
    hundredths(startMs / 1000),
    refusalsOf(measured),
  ];
  const head = ['connections', 'nodes', 'a second', 'of the smallest', 'p50', 'p95', 'p99'];
  return table([...head, 'CPU ms', 'PostgreSQL CPU ms', 'MB', 'ready, s', 'refused'], points.map(row));
}

function paymentsTable({ customers, sustained, burst }: PaymentsMeasured): string {
  const seconds = (milliseconds: number) => `${tenths(milliseconds / 1000)} s`;
  const perSecond = (milliseconds: number) => whole((burst.events * 1000) / milliseconds);
  return table(
    [`Events of Stripe, ${whole(customers)} customers`, ''],
    [
      ['processed in the long run, a second', whole(sustained.eventsPerSecond)],
      ['fetches for them, a second', whole(sustained.fetchesPerSecond)],
      [
        `burst of ${whole(burst.events)}: all stored and acknowledged`,
        `${seconds(burst.storedMs)} (${perSecond(burst.storedMs)} a second)`,
      ],
      [
        `burst of ${whole(burst.events)}: queue empty`,
        `${seconds(burst.drainedMs)} (${perSecond(burst.drainedMs)} a second, ${whole(burst.fetches)} fetches)`,
      ],
    ],
  );
}

function usersTable({ notifications, histories }: UsersMeasured): string {
  const { users, connections, queuedMs, sentMs } = notifications;
  const { rows, bytes, exportMs, deletionMs } = histories;
  const seconds = (milliseconds: number) => `${tenths(milliseconds / 1000)} s`;
  const perSecond = (milliseconds: number) => `${whole((users * 1000) / milliseconds)} a second`;
  const spread = (all: readonly number[]) =>
    `${whole(median(all))} ms (${whole(Math.min(...all))}–${whole(Math.max(...all))})`;
  return table(
    [`Exports and deletions: median of ${whole(histories.accounts)}`, ''],
    [
      [`${whole(users)} notifications enqueued, in one statement`, `${seconds(queuedMs)} (${perSecond(queuedMs)})`],
      [`… and sent, over ${connections} connections to the mail server`, `${seconds(sentMs)} (${perSecond(sentMs)})`],
      [`export of ${whole(rows)} rows, ${whole(bytes / 1000)} kB`, spread(exportMs)],
      ['deletion of the same, until nothing is left', spread(deletionMs)],
    ],
  );
}

function cpuTable(what: string, cpuMs: Readonly<Record<string, number>>): string {
  const rows = Object.entries(cpuMs).map(([name, milliseconds]) => [name, hundredths(milliseconds)]);
  return table([`CPU ms, ${what}`, ''], rows);
}

function rateOf({ rate, rates }: Measured): string {
  return `${whole(rate)} (${whole(Math.min(...rates))}–${whole(Math.max(...rates))})`;
}

function latencyOf({ latency: { p50, p95, p99 } }: Measured): string[] {
  return [p50, p95, p99].map(tenths);
}

function refusalsOf({ refusals }: Measured): string {
  return whole(Object.values(refusals).reduce((sum, count) => sum + count, 0));
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(3, title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}
