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
    exclude: ['test/chaos/**', 'test/compat/**'],
    testTimeout: 15_000,
    hookTimeout: 60_000,
  },
})
