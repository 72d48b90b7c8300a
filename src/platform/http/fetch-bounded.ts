/** Another host gave a response that cannot be used. The message names the reason. */
export class UnreadableAnswer extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'UnreadableAnswer';
  }
}

export interface FetchBounds {
  readonly accept: string;
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

/**
 * Fetches JSON from another host, with limits on time and size. Redirects are refused.
 *
 * @throws {UnreadableAnswer} for any status but 200, for a body that is too large and for malformed JSON; else as `fetch`
 */
export async function fetchJson(url: string, { accept, timeoutMs, maxBytes }: FetchBounds): Promise<unknown> {
  const response = await fetch(url, {
    headers: { accept, 'cache-control': 'no-cache' },
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new UnreadableAnswer(`status ${response.status}, expected 200`);
  }
  return parseJson(await readAtMost(response, maxBytes));
}

async function readAtMost(response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > maxBytes) throw new UnreadableAnswer('the body is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UnreadableAnswer('the body is not JSON');
  }
}
