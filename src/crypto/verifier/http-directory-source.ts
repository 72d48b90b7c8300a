import { DirectoryError, type DirectoryKey, directoryMediaType, parseDirectory } from '../directory.js';
import { IssuerDirectorySource } from '../published-directory.js';

const patienceMs = 3_000;
/** Room for 64 keys of each kind. */
const mostBytes = 128 * 1024;

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
    const response = await fetch(this.url, {
      headers: { accept: directoryMediaType, 'cache-control': 'no-cache' },
      redirect: 'error',
      signal: AbortSignal.timeout(patienceMs),
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new DirectoryError(`it was answered with status ${response.status}`);
    }
    const { keys, challenge } = parseDirectory(parseJson(await readAtMost(response, mostBytes)));
    if (!challenge.equals(this.challenge)) {
      throw new DirectoryError('TOKEN_ISSUER_NAME and TOKEN_ORIGIN differ there');
    }
    return keys;
  }
}

async function readAtMost(response: Response, most: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > most) throw new DirectoryError('it is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new DirectoryError('it is not JSON');
  }
}
