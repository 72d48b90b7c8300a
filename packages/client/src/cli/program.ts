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
 * @param args without the program and script
 * @returns the exit code
 */
export async function runVpn(args: readonly string[], io: Io): Promise<number> {
  try {
    await vpnProgram(io).parseAsync([...args], { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    const { exitCode, ...failure } = explain(error);
    if (args.includes('--json') && failure.message !== '') io.print(JSON.stringify({ error: failure }, null, 2));
    else for (const line of [failure.message, failure.next]) if (line) io.log(line);
    return exitCode;
  }
}

function vpnProgram(io: Io): Command {
  const context = contextOf(io);
  const program = new Command('vpn')
    .description(
      'A VPN that does not know who you are: it fetches tokens with your account and spends them anonymously.',
    )
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.print(text.trimEnd()), writeErr: (text) => io.log(text.trimEnd()) })
    .showHelpAfterError('For usage, run vpn --help or vpn <command> --help')
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
  0 success          3 sign-in required        6 location unknown or full
  1 failure          4 subscription required   7 service may not be trustworthy
  2 wrong usage      5 try again later

Files are stored in ~/.config/vpn (or VPN_HOME), readable only by you.`,
    );
  addSignInCommands(program, context);
  addConnectionCommands(program, context);
  addWalletCommands(program, context);
  addAccountCommands(program, context);
  return program;
}
