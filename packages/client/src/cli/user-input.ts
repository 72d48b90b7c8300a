import { VpnApiError } from '../errors.js';
import { CommandError } from './failures.js';

/**
 * For requests that send the user's input. Turns `invalid_request` into a usage error with the service's explanation; without
 * this, the user would be advised to update the command.
 *
 * @throws {CommandError} `invalid_request`; other errors of `work`
 */
export async function asUsageError<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof VpnApiError) || error.code !== 'invalid_request') throw error;
    throw new CommandError(error.detail, error.code);
  }
}
