import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    include: ['src/**/*.spec.ts', 'packages/*/src/**/*.spec.ts', 'dev/**/*.spec.ts', 'admin/**/*.spec.ts', 'test/**/*.spec.ts'],
    setupFiles: ['test/support/reflect.ts'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
