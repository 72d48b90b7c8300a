import { CommanderError } from 'commander';
import { type Action, adviceFor } from '../advice.js';
import { LocationNotFound, PartitioningSuspected, TokenError, VpnApiError, WalletError } from '../errors.js';

/** Exit codes, for scripts. */
export const exitCodes = {
  ok: 0,
  fault: 1,
  usage: 2,
  signIn: 3,
  subscription: 4,
  tryLater: 5,
  location: 6,
  doNotTrust: 7,
} as const;

/** Something that the person can mend, with what to do about it. */
export class CommandError extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly exitCode: number = exitCodes.usage,
    readonly next?: string,
  ) {
    super(message);
  }
}

export interface Failure {
  readonly code: string;
  readonly message: string;
  /** What to do. */
  readonly next?: string;
  /** Seconds. */
  readonly retryAfter?: number;
  readonly exitCode: number;
}

const nextSteps: Readonly<Record<Action, readonly [exitCode: number, next: string | undefined]>> = {
  retry: [exitCodes.tryLater, 'Try again. Nothing is lost: a token that may have been spent is tried again first.'],
  wait: [exitCodes.tryLater, "Today's tokens are used up. New ones can be had after midnight UTC."],
  reconnect: [exitCodes.tryLater, 'Connect again: vpn connect'],
  choose_location: [exitCodes.location, 'See where there is room: vpn locations'],
  sign_in: [exitCodes.signIn, 'Sign in: vpn login'],
  verify_email: [exitCodes.subscription, 'Prove it by the mail that this sends: vpn trial'],
  subscribe: [exitCodes.subscription, 'Start the trial with: vpn trial. If you had it, a subscription is needed.'],
  read_again: [exitCodes.tryLater, 'It has changed meanwhile. Look at it again: vpn account'],
  check_clock: [exitCodes.fault, "Set this machine's clock, then try again."],
  do_not_trust: [
    exitCodes.doNotTrust,
    'The service may be marking you. Wait a minute, try again from another network, and report it if it stays.',
  ],
  update_app: [exitCodes.fault, 'This command and the service do not understand each other: update the command.'],
  report: [exitCodes.fault, undefined],
};

/** An error of any kind, in words for people and codes for programs. */
export function explain(error: unknown): Failure {
  if (error instanceof CommanderError) {
    const isHelp = error.exitCode === 0;
    return { code: error.code, message: '', exitCode: isHelp ? exitCodes.ok : exitCodes.usage };
  }
  if (error instanceof CommandError) {
    const { code, message, exitCode, next } = error;
    return { code, message, exitCode, ...(next !== undefined && { next }) };
  }
  const { action, retryAfter } = adviceFor(error);
  const [exitCode, next] = nextSteps[action];
  return {
    code: codeOf(error),
    message: messageOf(error),
    exitCode,
    ...(next !== undefined && { next }),
    ...(retryAfter !== undefined && { retryAfter }),
  };
}

function codeOf(error: unknown): string {
  if (error instanceof VpnApiError || error instanceof TokenError || error instanceof WalletError) return error.code;
  if (error instanceof PartitioningSuspected) return `partitioning_suspected/${error.reason}`;
  return error instanceof LocationNotFound ? 'location_not_found' : 'fault';
}

function messageOf(error: unknown): string {
  if (error instanceof VpnApiError) return error.detail;
  return error instanceof Error ? error.message : 'Something went wrong.';
}
