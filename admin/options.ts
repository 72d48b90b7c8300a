import { userInfo } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import { self } from '../src/platform/audit/index.js';
import { AppError } from '../src/platform/errors/index.js';

export interface Output {
  readonly json: boolean;
}

/** Adds `--json`, which every command has: it prints one JSON document to standard output. */
export function withJson(command: Command): Command {
  return command.option('--json', 'Print JSON', false);
}

/** @throws {InvalidArgumentError} commander prints it with the option's name */
export function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('expected a number');
  return value;
}

/** Accepts an argument that begins with a dash, as one key id in 64 does: an unknown option counts as the argument. */
export function allowLeadingDash(command: Command): Command {
  return command.allowUnknownOption();
}

/** What commands accept as `<account>`, for their help texts. */
export const accountForms = 'id, Firebase UID or e-mail address';

export interface Audited extends Output {
  readonly reason: string;
  readonly by: string;
}

/** Adds the reason and the operator's name, which are recorded in the audit log. */
export function withAudit(command: Command): Command {
  return withJson(command)
    .requiredOption(
      '--reason <text>',
      'Reason for the audit log; the user can read it, and it is kept after the account is deleted',
      parseReason,
    )
    .option('--by <name>', 'Name of the operator for the audit log', parseOperator, userInfo().username);
}

/**
 * Checks the reason before anything is done. It must contain no e-mail address, since the audit log is kept after the account is
 * deleted.
 */
function parseReason(text: string): string {
  const trimmed = text.trim();
  if (trimmed === '' || trimmed.length > 500) throw invalidOption('--reason: expected 1 to 500 characters.');
  if (trimmed.includes('@')) {
    throw invalidOption('--reason: expected a text without an e-mail address, since it is kept after the account.');
  }
  return trimmed;
}

/** Refuses the name that the audit log uses for the user's own actions. */
function parseOperator(name: string): string {
  const trimmed = name.trim();
  if (trimmed === '' || trimmed === self) throw invalidOption(`--by: expected a name other than "${self}".`);
  return trimmed;
}

const invalidOption = (detail: string) => new AppError('invalid_request', detail);
