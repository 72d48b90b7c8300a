import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.js';
import { SlowestSpecs } from './test/support/slowest.js';

const folders = ['src', 'packages/*/src', 'dev', 'admin', 'bench', 'test'];
const special = ['heavy', 'tunnel'];

/**
 * `vitest run` leaves the special tests out; `vitest run --mode heavy` runs those that take long, `--mode tunnel` those
 * that need root and real network devices, one file at a time.
 */
export default defineConfig(({ mode }) => ({
  resolve: { conditions: ['vpn-source'] },
  ssr: { resolve: { conditions: ['vpn-source'] } },
  test: {
    include: folders.map((folder) => `${folder}/**/*${special.includes(mode) ? `.${mode}` : ''}.spec.ts`),
    exclude: ['**/node_modules/**', ...special.filter((kind) => kind !== mode).map((kind) => `**/*.${kind}.spec.ts`)],
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['reflect', 'seed', ...(mode === 'tunnel' ? [] : ['clean-slate'])].map(
      (name) => `test/support/${name}.ts`,
    ),
    reporters: ['default', new SlowestSpecs()],
    // Spec files share processes, because importing the service again for each file took longer than most files' tests. See
    // clean-slate.ts. A tunnel spec has its own process, whose end stops its servers.
    isolate: mode === 'tunnel',
    testTimeout: special.includes(mode) ? 300_000 : 60_000,
    hookTimeout: special.includes(mode) ? 300_000 : 120_000,
    // A generous timeout for polling, so that a busy machine does not make tests fail.
    expect: { poll: { timeout: 10_000 } },
    sequence: { sequencer: LongestFirst },
    // Tunnel specs share one lab. Other specs use more workers than the two cores of a CI machine, because many of them wait for
    // timeouts, restarts and child processes.
    maxWorkers: { heavy: 3, tunnel: 1 }[mode] ?? 4,
    // A larger young generation: tests make more short-lived garbage than the service.
    execArgv: ['--max-semi-space-size=64'],
  },
}));
