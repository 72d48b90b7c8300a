import { userInfo } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';

export interface Output {
  readonly json: boolean;
}

/** Every command takes `--json`: one document on standard output, for programs. */
export function withJson(command: Command): Command {
  return command.option('--json', 'print JSON', false);
}

/** @throws {InvalidArgumentError} which commander prints with the option's name */
export function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('expected a number');
  return value;
}

/** How an operator names somebody. */
export const account = 'by its id, Firebase UID or e-mail address';

export interface Audited extends Output {
  readonly reason: string;
  readonly by: string;
}

/** Every act is written down with who and why. */
export function audited(command: Command): Command {
  return withJson(command)
    .requiredOption('--reason <text>', 'why: kept in the audit')
    .option('--by <name>', 'who: kept in the audit', userInfo().username);
}
