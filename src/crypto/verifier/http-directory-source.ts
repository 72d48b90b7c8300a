import { fetchJson, UnreadableAnswer } from '../../platform/http/index.js';
import { DirectoryError, type DirectoryKey, directoryMediaType, parseDirectory } from '../directory.js';
import { IssuerDirectorySource } from '../published-directory.js';

/** Room for 64 keys of each kind. */
const bounds = { accept: directoryMediaType, timeoutMs: 3_000, maxBytes: 128 * 1024 };

/** The issuer's directory over HTTP: bounded in time and size, and believed only when all of it makes sense. */
export class HttpDirectorySource extends IssuerDirectorySource {
  /** @param challenge the TokenChallenge that this side's tokens answer */
  constructor(
    private readonly url: string,
    private readonly challenge: Buffer,
  ) {
    super();
  }

  async read(): Promise<DirectoryKey[]> {
    const { keys, challenge } = parseDirectory(await fetchJson(this.url, bounds).catch(asDirectoryError));
    if (!challenge.equals(this.challenge)) {
      throw new DirectoryError('TOKEN_ISSUER_NAME and TOKEN_ORIGIN differ there');
    }
    return keys;
  }
}

function asDirectoryError(error: unknown): never {
  throw error instanceof UnreadableAnswer ? new DirectoryError(error.message) : error;
}
