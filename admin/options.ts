import { userInfo } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import { self } from '../src/platform/audit/index.js';
import { AppError } from '../src/platform/errors/index.js';

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

/** An argument that may begin with a dash, as one key id in 64 does: what is none of the command's options is taken for it. */
export function withName(command: Command): Command {
  return command.allowUnknownOption();
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
    .requiredOption(
      '--reason <text>',
      'why: kept in the audit, also when the account is gone; whom it was done to may read it',
      reason,
    )
    .option('--by <name>', 'who: kept in the audit', operator, userInfo().username);
}

/** As the audit can keep it: whatever it refuses must be refused before anything is done. It outlives the account it speaks of. */
function reason(text: string): string {
  const trimmed = text.trim();
  if (trimmed === '' || trimmed.length > 500) throw wrong('--reason: expected 1 to 500 characters.');
  if (trimmed.includes('@')) throw wrong('--reason: expected no e-mail address, since it outlives the account.');
  return trimmed;
}

/** The audit knows the person by a word of their own: an operator of that name would be taken for them. */
function operator(name: string): string {
  const trimmed = name.trim();
  if (trimmed === '' || trimmed === self) throw wrong(`--by: expected a name other than "${self}".`);
  return trimmed;
}

const wrong = (detail: string) => new AppError('invalid_request', detail);
