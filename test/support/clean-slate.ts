import { register } from 'prom-client';
import { afterAll, expect, vi } from 'vitest';

/**
 * Spec files share a process (`isolate: false`), which saves half the time of `npm test`. So each has to leave the process as
 * it found it: what vitest can put back is put back here, and the rest is checked.
 */
// Counters belong to the process: each file counts from nought.
register.resetMetrics();

const environment = { ...process.env };
const folder = process.cwd();
const { fetch } = globalThis;
const servers = listeningServers();

// Set-up files come first, and hooks of this kind run in reverse order: after those of the spec file.
afterAll(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  vi.unstubAllEnvs();
  const left = { environment: { ...process.env }, folder: process.cwd(), fetch: globalThis.fetch };
  expect(left, 'the process as the next spec file finds it').toEqual({ environment, folder, fetch });
  await vi.waitFor(() => expect(listeningServers(), 'servers that still listen').toBeLessThanOrEqual(servers));
});

function listeningServers(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'TCPServerWrap').length;
}
