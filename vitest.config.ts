import { availableParallelism } from 'node:os'
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
    exclude: ['chaos', 'compat', 'consumers', 'package', 'types'].map((room) => `test/${room}/**`),
    // tests of memory ask for a collection before they measure
    execArgv: ['--expose-gc'],
    // mostly waiting: one worker, vitest's choice for two cores, would leave them idle
    maxWorkers: Math.max(3, availableParallelism() - 1),
    // for what hangs; the heaviest, a cluster and five command lines, takes a busy machine 15 s
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // what is awaited comes as soon as the machine lets it: a second, Vitest's own, is less than a stall may take
    expect: { poll: { timeout: 20_000 } },
  },
})
