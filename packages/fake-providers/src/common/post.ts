/** The time limit for the backend's response. */
const timeoutMs = 20_000;

/** @returns the HTTP status, or undefined without a response. */
export async function post(
  url: string,
  body: string,
  headers: Readonly<Record<string, string>>,
): Promise<number | undefined> {
  try {
    const options = {
      method: 'POST',
      body,
      headers,
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    } as const;
    const response = await fetch(url, options);
    await response.arrayBuffer();
    return response.status;
  } catch {
    return undefined;
  }
}
