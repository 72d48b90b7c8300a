import { Command } from 'commander';
import { addAccountCommands } from './commands/account.js';
import { addConnectionCommands } from './commands/connections.js';
import { addSignInCommands } from './commands/sign-in.js';
import { addWalletCommands } from './commands/wallet.js';
import { contextOf } from './context.js';
import { exitCodes, explain } from './failures.js';
import { type Io } from './io.js';

/**
 * Runs the `vpn` command.
 *
 * @param args without program and script
 * @returns the exit code
 */
export async function runVpn(args: readonly string[], io: Io): Promise<number> {
  try {
    await vpnProgram(io).parseAsync([...args], { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    const { exitCode, ...failure } = explain(error);
    if (args.includes('--json') && failure.message !== '') io.print(JSON.stringify({ error: failure }, null, 2));
    else for (const line of [failure.message, failure.next]) if (line) io.tell(line);
    return exitCode;
  }
}

function vpnProgram(io: Io): Command {
  const context = contextOf(io);
  const program = new Command('vpn')
    .description('A VPN that does not know who you are: fetches tokens as you, spends them as nobody.')
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.print(text.trimEnd()), writeErr: (text) => io.tell(text.trimEnd()) })
    .showHelpAfterError('(vpn --help, or vpn <command> --help, shows how it is used)')
    .addHelpText(
      'after',
      `
Examples:
  vpn login --email ada@example.com
  vpn trial
  vpn connect Frankfurt --up
  vpn status
  vpn disconnect
  vpn account

Exit codes:
  0 done             3 sign in first        6 no such location, or no room there
  1 a fault          4 no subscription      7 the service is not to be trusted just now
  2 wrong use        5 try again later

Its files are in ~/.config/vpn, or where VPN_HOME says, and readable by you alone.`,
    );
  addSignInCommands(program, context);
  addConnectionCommands(program, context);
  addWalletCommands(program, context);
  addAccountCommands(program, context);
  return program;
}
