import { defineConfig } from 'vitest/config'

/** The package as it would be published, which looks at dist, so build first; and what the compiler must refuse. */
export default defineConfig({
  test: {
    include: ['test/package/**/*.test.ts', 'test/types/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
