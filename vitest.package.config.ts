import { defineConfig } from 'vitest/config'

/** The package as it would be published: looks at dist, so build first. */
export default defineConfig({
  test: { include: ['test/package/**/*.test.ts'], testTimeout: 120_000, hookTimeout: 120_000 },
})
