import { register } from 'prom-client';
import { afterAll, expect, vi } from 'vitest';

/**
 * Spec files share a process (`isolate: false`), which halves the time of `npm test`. So no spec file may leave state behind
 * that affects the next one. This set-up file restores what vitest can restore. It also checks that the environment, the
 * working directory, the global timers and `fetch`, the signal handlers and the number of listening servers are unchanged.
 */

// Metrics are global to the process. Each spec file starts at zero.
register.resetMetrics();

const before = state();
const servers = countListeningServers();

// `afterAll` hooks run in reverse order, and set-up files run first: so this hook runs after those of the spec file.
afterAll(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  vi.unstubAllEnvs();
  expect(state(), 'global state that the spec file must restore').toEqual(before);
  await vi.waitFor(() =>
    expect(countListeningServers(), 'servers that the spec file must close').toBeLessThanOrEqual(servers),
  );
});

function state() {
  const signals = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((name) => process.listenerCount(name));
  const { Date, fetch, setInterval, setTimeout } = globalThis;
  const globals = [Date, fetch, setInterval, setTimeout];
  return { environment: { ...process.env }, folder: process.cwd(), signals, globals };
}

function countListeningServers(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'TCPServerWrap').length;
}
