/**
 * What a promise gives within a time; it goes on by itself when nobody waits any more.
 *
 * @param tooLate makes the error that is thrown once the time is over
 */
export async function withTimeLimit<T>(milliseconds: number, answer: Promise<T>, tooLate: () => Error): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(tooLate()), milliseconds);
  try {
    return await Promise.race([answer, promise]);
  } finally {
    clearTimeout(timer);
  }
}
