import { defineConfig } from 'vitest/config';

const folders = ['src', 'packages/*/src', 'dev', 'admin', 'test'];
const heavy = '**/*.heavy.spec.ts';

/** `vitest run` leaves the heavy tests out; `vitest run --mode heavy` runs them alone, one file at a time. */
export default defineConfig(({ mode }) => ({
  resolve: { conditions: ['vpn-source'] },
  ssr: { resolve: { conditions: ['vpn-source'] } },
  test: {
    include: folders.map((folder) => `${folder}/**/*${mode === 'heavy' ? '.heavy' : ''}.spec.ts`),
    exclude: ['**/node_modules/**', ...(mode === 'heavy' ? [] : [heavy])],
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/support/reflect.ts', 'test/support/seed.ts'],
    testTimeout: mode === 'heavy' ? 120_000 : 20_000,
    hookTimeout: 60_000,
    // What is polled for comes when it comes; a busy machine must not make it a failure.
    expect: { poll: { timeout: 10_000 } },
    maxWorkers: mode === 'heavy' ? 1 : 2,
  },
}));
