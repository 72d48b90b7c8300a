/** The answer of another host, or why there is none that is worth reading. */
export class UnreadableAnswer extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'UnreadableAnswer';
  }
}

export interface FetchBounds {
  readonly accept: string;
  readonly patienceMs: number;
  readonly maxBytes: number;
}

/**
 * Reads JSON of another host, bounded in time and size, without following it elsewhere.
 *
 * @throws {UnreadableAnswer} for any status but 200, too large a body and what is no JSON; what `fetch` throws otherwise
 */
export async function fetchJson(url: string, { accept, patienceMs, maxBytes }: FetchBounds): Promise<unknown> {
  const response = await fetch(url, {
    headers: { accept, 'cache-control': 'no-cache' },
    redirect: 'error',
    signal: AbortSignal.timeout(patienceMs),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new UnreadableAnswer(`it was answered with status ${response.status}`);
  }
  return parseJson(await readAtMost(response, maxBytes));
}

async function readAtMost(response: Response, most: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > most) throw new UnreadableAnswer('it is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UnreadableAnswer('it is not JSON');
  }
}
