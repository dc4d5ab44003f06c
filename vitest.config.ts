import { defineConfig } from 'vitest/config'
import { luaModule } from './lua-text.ts'

export default defineConfig({
  plugins: [
    {
      name: 'lua-text',
      enforce: 'pre',
      load: (id) => (id.endsWith('.lua') ? luaModule(id) : undefined),
    },
  ],
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/chaos/**', 'test/compat/**', 'test/package/**'],
    // tests of memory ask for a collection before they measure
    execArgv: ['--expose-gc'],
    testTimeout: 15_000,
    hookTimeout: 60_000,
  },
})
