import { defineConfig } from 'vitest/config'
import base from './vitest.config.ts'

/** Heavy tests: many processes, faults, long simulations. One file at a time, since they measure. */
export default defineConfig({
  plugins: base.plugins ?? [],
  test: {
    include: ['test/chaos/**/*.test.ts'],
    env: base.test?.env ?? {},
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
})
