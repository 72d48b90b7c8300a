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
    // Importing the service anew for each spec file took longer than many a file's tests. See clean-slate.ts. A file of tunnels
    // leaves its servers to the end of its process.
    isolate: mode === 'tunnel',
    testTimeout: special.includes(mode) ? 300_000 : 60_000,
    hookTimeout: special.includes(mode) ? 300_000 : 120_000,
    // What is polled for comes when it comes; a busy machine must not make it a failure.
    expect: { poll: { timeout: 10_000 } },
    sequence: { sequencer: LongestFirst },
    // Tunnels share one lab. Elsewhere there are more than the two cores of a CI machine, since many a test waits: for time-outs,
    // restarts, processes of its own.
    maxWorkers: { heavy: 3, tunnel: 1 }[mode] ?? 4,
    // Fewer collections of short-lived garbage, which tests make more of than the service.
    execArgv: ['--max-semi-space-size=64'],
  },
}));
