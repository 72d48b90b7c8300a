const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Resolves at the first signal to stop: Ctrl-C, a kill, a closed terminal. Each further signal calls `onRepeat`: to end the
 * process at once would leave its servers running.
 */
export function stopRequested(onRepeat: () => void): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let requested = false;
  const onSignal = () => {
    if (requested) onRepeat();
    requested = true;
    resolve();
  };
  for (const signal of signals) process.on(signal, onSignal);
  return promise;
}
