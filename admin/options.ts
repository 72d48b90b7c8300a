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
