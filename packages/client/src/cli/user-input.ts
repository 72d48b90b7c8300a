import { VpnApiError } from '../errors.js';
import { CommandError } from './failures.js';

/**
 * Passes on what was typed: when the service finds it wrong, that is the person's to mend, and not a sign of an old command.
 *
 * @throws {CommandError} `invalid_request`, in the service's words; what else `work` throws
 */
export async function asEntered<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof VpnApiError) || error.code !== 'invalid_request') throw error;
    throw new CommandError(error.detail, error.code);
  }
}
