const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Resolves when this process is asked to stop: Ctrl-C, a kill, a terminal that closes. Asked again, and it will be by whoever
 * finds the first time slow, it calls `hurry` rather than end at once and leave its servers behind.
 */
export function askedToStop(hurry: () => void): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let asked = false;
  const ask = () => {
    if (asked) hurry();
    asked = true;
    resolve();
  };
  for (const signal of signals) process.on(signal, ask);
  return promise;
}
