/**
 * Waits for a promise, but not longer than `milliseconds`. The work itself is not cancelled.
 *
 * @param timeoutError makes the error to throw when the time is over
 */
export async function withTimeLimit<T>(
  milliseconds: number,
  answer: Promise<T>,
  timeoutError: () => Error,
): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(timeoutError()), milliseconds);
  try {
    return await Promise.race([answer, promise]);
  } finally {
    clearTimeout(timer);
  }
}
