export interface AbortOptions {
  /** Aborting it aborts the task. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds after which the task is aborted. */
  readonly timeoutMs?: number;
}

/**
 * Runs a task with an abort controller of its own, which aborts with `signal` and after `timeoutMs`.
 *
 * On Node 20, which the agent supports, `AbortSignal.any()` and `AbortSignal.timeout()` are no substitute: once the source
 * signals have been garbage-collected, the combined signal never aborts (nodejs/node#57736). Here the timer and the listener
 * hold the controller until the task is over.
 */
export async function withAbortController<T>(
  { signal, timeoutMs }: AbortOptions,
  task: (controller: AbortController) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const abort = () => controller.abort();
  const timer = timeoutMs === undefined ? undefined : setTimeout(abort, timeoutMs);
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort);
  try {
    return await task(controller);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}
