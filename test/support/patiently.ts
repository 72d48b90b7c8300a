/**
 * Asks again whenever the answer is that the stores are too busy, as that answer says. More requests at once than there are
 * connections to PostgreSQL wait for one, for two seconds at most: on a busy machine some are turned away, with nothing done.
 */
export async function patiently(request: () => Promise<Response>): Promise<Response> {
  for (;;) {
    const response = await request();
    if (response.status !== 503) return response;
  }
}
