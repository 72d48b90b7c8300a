import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { VpnApiError } from './errors.js';
import { retrying } from './retrying.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const problem = (status: number, code: string, retryAfter?: number) =>
  new VpnApiError({ status, code, detail: '', retryAfter });

/** A request that throws these errors one after another, then succeeds. */
function failing(...failures: Error[]) {
  let calls = 0;
  return {
    request: async () => {
      const failure = failures[calls++];
      if (failure) throw failure;
      return calls;
    },
    calls: () => calls,
  };
}

describe('retrying', () => {
  it.each([
    ['no answer', problem(0, 'unreachable')],
    ['an error page', problem(502, 'unexpected_answer')],
    ['an unavailable store', problem(503, 'unavailable', 1)],
    ['too many requests', problem(429, 'rate_limited', 10)],
  ])('repeats the request after %s', async (_, failure) => {
    const { request } = failing(failure, failure);
    const result = retrying(request);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(await result).toBe(3);
  });

  it.each([
    ['a refusal', problem(409, 'token_reused')],
    ['a full location', problem(503, 'no_capacity', 10)],
    ['a delay that is too long', problem(429, 'rate_limited', 60)],
    ['another error', new TypeError('bug')],
  ])('does not repeat the request after %s', async (_, failure) => {
    const { request, calls } = failing(failure);
    await expect(retrying(request)).rejects.toBe(failure);
    expect(calls()).toBe(1);
  });

  it('stops after four attempts', async () => {
    const { request, calls } = failing(...Array.from({ length: 9 }, () => problem(0, 'unreachable')));
    const result = expect(retrying(request)).rejects.toMatchObject({ code: 'unreachable' });
    await vi.advanceTimersByTimeAsync(60_000);
    await result;
    expect(calls()).toBe(4);
  });

  it('waits as long as the service asks for', async () => {
    const { request, calls } = failing(problem(503, 'unavailable', 5));
    const result = retrying(request);
    await vi.advanceTimersByTimeAsync(4_999);
    expect(calls()).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    await result;
  });

  it('stops when its signal is aborted', async () => {
    const stop = new AbortController();
    const { request, calls } = failing(problem(503, 'unavailable', 5));
    const result = expect(retrying(request, stop.signal)).rejects.toMatchObject({ name: 'AbortError' });
    await vi.advanceTimersByTimeAsync(1_000);
    stop.abort();
    await result;
    expect(calls()).toBe(1);
  });
});
