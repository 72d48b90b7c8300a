/** How long a backend may take to answer. */
const patience = 20_000;

/** @returns the status, or undefined when there was no answer. */
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
      signal: AbortSignal.timeout(patience),
    } as const;
    const response = await fetch(url, options);
    await response.arrayBuffer();
    return response.status;
  } catch {
    return undefined;
  }
}
