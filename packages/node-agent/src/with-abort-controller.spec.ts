import { afterEach, describe, expect, it, vi } from 'vitest';
import { withAbortController } from './with-abort-controller.js';

const untilAborted = ({ signal }: AbortController) =>
  new Promise<string>((resolve) => signal.addEventListener('abort', () => resolve('aborted')));

describe('withAbortController', () => {
  afterEach(() => vi.useRealTimers());

  it('aborts the task with the signal', async () => {
    const stop = new AbortController();
    const task = withAbortController({ signal: stop.signal }, untilAborted);
    stop.abort();
    await expect(task).resolves.toBe('aborted');
  });

  it('aborts a task whose signal was aborted before', async () => {
    const task = withAbortController({ signal: AbortSignal.abort() }, async ({ signal }) => signal.aborted);
    await expect(task).resolves.toBe(true);
  });

  it('aborts the task after the timeout', async () => {
    vi.useFakeTimers();
    const task = withAbortController({ timeoutMs: 1_000 }, untilAborted);
    vi.advanceTimersByTime(1_000);
    await expect(task).resolves.toBe('aborted');
  });

  it('leaves no timer and no listener behind, not even when the task fails', async () => {
    vi.useFakeTimers();
    const { signal } = new AbortController();
    const removed = vi.spyOn(signal, 'removeEventListener');
    const added = vi.spyOn(signal, 'addEventListener');
    const task = withAbortController({ signal, timeoutMs: 1_000 }, () => Promise.reject(new Error('failed')));
    await expect(task).rejects.toThrow('failed');
    expect(vi.getTimerCount()).toBe(0);
    expect(removed.mock.calls).toEqual(added.mock.calls);
  });
});
