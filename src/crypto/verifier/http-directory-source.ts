import { fetchJson, UnreadableAnswer } from '../../platform/http/index.js';
import { DirectoryError, type DirectoryKey, directoryMediaType, parseDirectory } from '../directory.js';
import { IssuerDirectorySource } from '../published-directory.js';

/** `maxBytes` has room for 64 usable and 64 retired keys. */
const bounds = { accept: directoryMediaType, timeoutMs: 3_000, maxBytes: 128 * 1024 };

/** Fetches the issuer's directory over HTTP, with limits on time and size, and rejects it when any part is invalid. */
export class HttpDirectorySource extends IssuerDirectorySource {
  /** @param challenge the TokenChallenge that tokens must answer on this side */
  constructor(
    private readonly url: string,
    private readonly challenge: Buffer,
  ) {
    super();
  }

  async read(): Promise<DirectoryKey[]> {
    const { keys, challenge } = parseDirectory(await fetchJson(this.url, bounds).catch(asDirectoryError));
    if (!challenge.equals(this.challenge)) {
      throw new DirectoryError(
        'the issuer has another TOKEN_ISSUER_NAME or TOKEN_ORIGIN. Set the same values on both sides',
      );
    }
    return keys;
  }
}

function asDirectoryError(error: unknown): never {
  throw error instanceof UnreadableAnswer ? new DirectoryError(error.message) : error;
}
