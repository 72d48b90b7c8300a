import { register } from 'prom-client';
import { afterAll, expect, vi } from 'vitest';

/**
 * Spec files share a process (`isolate: false`), which saves half the time of `npm test`. So none may leave anything that the
 * next would notice. What vitest can put back is put back here; checked are the environment, the folder, time and fetch,
 * handlers of signals, and servers that listen.
 */

// Counters belong to the process: each file counts from zero.
register.resetMetrics();

const before = state();
const servers = listeningServers();

// Set-up files come first, and hooks of this kind run in reverse order: after those of the spec file.
afterAll(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  vi.unstubAllEnvs();
  expect(state(), 'the process as the next spec file finds it').toEqual(before);
  await vi.waitFor(() => expect(listeningServers(), 'servers that still listen').toBeLessThanOrEqual(servers));
});

function state() {
  const signals = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((name) => process.listenerCount(name));
  const { Date, fetch, setInterval, setTimeout } = globalThis;
  const globals = [Date, fetch, setInterval, setTimeout];
  return { environment: { ...process.env }, folder: process.cwd(), signals, globals };
}

function listeningServers(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'TCPServerWrap').length;
}
