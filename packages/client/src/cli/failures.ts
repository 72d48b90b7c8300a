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

/** An error that the user can fix; `next` says how. */
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
  /** What the user can do. */
  readonly next?: string;
  /** Seconds. */
  readonly retryAfter?: number;
  readonly exitCode: number;
}

const nextSteps: Readonly<Record<Action, readonly [exitCode: number, next: string | undefined]>> = {
  retry: [exitCodes.tryLater, 'Try again later. No token is lost: one that may have been spent is retried first.'],
  wait: [exitCodes.tryLater, "You have used up today's tokens. You get new ones after midnight UTC."],
  reconnect: [exitCodes.tryLater, 'Connect again: vpn connect'],
  choose_location: [exitCodes.location, 'List available locations: vpn locations'],
  sign_in: [exitCodes.signIn, 'Sign in: vpn login'],
  verify_email: [exitCodes.subscription, 'Verify your e-mail address: vpn trial mails you a link.'],
  subscribe: [exitCodes.subscription, 'Start the free trial: vpn trial. If you have used it, you need a subscription.'],
  read_again: [exitCodes.tryLater, 'It has changed in the meantime. Check it and try again: vpn account'],
  check_clock: [exitCodes.fault, "Set this machine's clock, then try again."],
  do_not_trust: [
    exitCodes.doNotTrust,
    'The service may be trying to identify you. Wait a minute, then try again from another network. Report the problem if it persists.',
  ],
  update_app: [exitCodes.fault, 'This version of vpn is not compatible with the service. Update vpn.'],
  report: [exitCodes.fault, undefined],
};

/** Describes any error: a message and next step for users, codes for programs. */
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
