import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.js';
import { SlowestSpecs } from './test/support/slowest.js';

const folders = ['src', 'packages/*/src', 'dev', 'admin', 'bench', 'test'];
const special = ['heavy', 'tunnel'];

/**
 * `vitest run` skips the special tests. `vitest run --mode heavy` runs the slow ones; `--mode tunnel` runs those that need root
 * and real network devices, one file at a time.
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
    // Not isolated, because importing the service for each spec file took longer than the tests of many files (clean-slate.ts).
    // Tunnel tests are isolated: their servers end with the process of each file.
    isolate: mode === 'tunnel',
    testTimeout: special.includes(mode) ? 300_000 : 60_000,
    hookTimeout: special.includes(mode) ? 300_000 : 120_000,
    // A long timeout, so that polling does not fail on a busy machine.
    expect: { poll: { timeout: 10_000 } },
    sequence: { sequencer: LongestFirst },
    // Tunnel tests share one lab. Other tests use more workers than the two cores of a CI machine, because many tests wait for
    // timeouts, restarts or child processes.
    maxWorkers: { heavy: 3, tunnel: 1 }[mode] ?? 4,
    // Fewer garbage collections, because tests create more short-lived objects than the service.
    execArgv: ['--max-semi-space-size=64'],
  },
}));
