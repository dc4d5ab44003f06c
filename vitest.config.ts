import { globSync, readFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { luaModule } from './lua-text.ts'

/** What a whole process has in common: its warnings and uncaught errors, channels, timers, memory, environment. */
const wholeProcess =
  /\bchannels\b|\bprocess\.(on|once|env|emitWarning|memoryUsage|getActive\w+)\b|\bspyOn\(process\b|\bgc!|\bresetModules\b|\bsetGlobalDispatcher\b/

/** The unit tests that look at none of it: they can share a process, which saves the start of one for each. */
const sharing = globSync('test/unit/**/*.test.ts', { cwd: import.meta.dirname }).filter(
  (file) => !wholeProcess.test(readFileSync(join(import.meta.dirname, file), 'utf8')),
)

export default defineConfig({
  plugins: [
    {
      name: 'lua-text',
      enforce: 'pre',
      load: (id) => (id.endsWith('.lua') ? luaModule(id) : undefined),
    },
  ],
  test: {
    projects: [
      {
        extends: true,
        test: {
          // first by name, hence at first: the longest are among them
          name: 'own process',
          include: ['test/**/*.test.ts'],
          exclude: [
            ...['chaos', 'compat', 'consumers', 'package', 'types'].map((room) => `test/${room}/**`),
            ...sharing,
          ],
        },
      },
      {
        extends: true,
        test: {
          name: 'shared process',
          include: sharing,
          isolate: false,
          setupFiles: ['test/support/processes/shared-process.ts'],
        },
      },
    ],
    // tests of memory ask for a collection before they measure
    execArgv: ['--expose-gc'],
    // compiled code is kept from one process to the next: what tests start from source then takes half the time
    env: { NODE_COMPILE_CACHE: join(tmpdir(), 'undici-resilience-compile-cache') },
    // mostly waiting: one worker, vitest's choice for two cores, would leave them idle
    maxWorkers: Math.max(4, availableParallelism() - 1),
    // for what hangs; the heaviest, a cluster and five command lines, takes a busy machine 15 s
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // what is awaited comes as soon as the machine lets it: a second, Vitest's own, is less than a stall may take
    expect: { poll: { timeout: 20_000 } },
  },
})
