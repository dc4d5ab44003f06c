import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..', '..')
const bin = (name: string) => join(root, 'node_modules', '.bin', name)
const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, { default: string } | string>
  dependencies?: Record<string, string>
}
const entries = Object.entries(manifest.exports).filter(([, target]) => typeof target === 'object') as [
  string,
  { types: string; default: string },
][]

/** An application that has installed the tarball, with the peers that it wants. */
let application: string
let tarball: string
beforeAll(async () => {
  application = await mkdtemp(join(tmpdir(), 'undici-resilience-package-'))
  const { stdout } = await run(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', application],
    { cwd: root },
  )
  const [packed] = Object.values(JSON.parse(stdout) as Record<string, { filename: string }>)
  tarball = join(application, packed!.filename)
  const installed = join(application, 'node_modules', 'undici-resilience')
  await mkdir(installed, { recursive: true })
  await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', installed])
  await writeFile(join(application, 'package.json'), '{"type":"module"}')
  await cp(join(root, 'node_modules', 'undici'), join(application, 'node_modules', 'undici'), {
    recursive: true,
  })
})
afterAll(() => rm(application, { recursive: true }))

const node = (code: string) =>
  run(process.execPath, ['--input-type=module', '-e', code], { cwd: application })

describe('the published package', () => {
  it('is found right by publint and by arethetypeswrong', async () => {
    await run(bin('publint'), ['--strict', root])
    await run(bin('attw'), ['--profile', 'esm-only', tarball])
  })

  it('has no runtime dependencies', () => {
    expect(manifest.dependencies ?? {}).toEqual({})
  })

  it('loads with undici alone: importing the root needs no store client, no logger, no SQLite', async () => {
    const { stdout, stderr } = await node(
      `const all = await import('undici-resilience'); console.log(Object.keys(all).sort().join(' '))`,
    )
    expect(stderr).toBe('')
    expect(stdout.trim().split(' ')).toEqual([
      'CircuitBreaker',
      'CircuitBreakerOpenError',
      'DeadLetterFormatError',
      'IntegrationError',
      'RateLimitError',
      'RequestTimeoutError',
      'ResilientHttpClient',
      'SealError',
      'channels',
      'circuitBreaker',
      'deadLetter',
      'isIntegrationError',
      'memoryStore',
      'replayDeadLetters',
      'resilience',
      'retry',
      'startReplayer',
      'timeout',
      'withCallOptions',
      'withRetry',
    ])
  })

  it.each(entries)('bundles %s without a client of a store or a logger', async (specifier, target) => {
    const { metafile } = await build({
      entryPoints: [join(root, target.default)],
      bundle: true,
      write: false,
      metafile: true,
      format: 'esm',
      platform: 'node',
      external: ['undici'],
      logLevel: 'silent',
    })
    const imported = new Set(
      Object.values(metafile.inputs).flatMap(({ imports }) =>
        imports.filter(({ external }) => external).map(({ path }) => path),
      ),
    )
    for (const client of ['ioredis', 'pino', 'pg']) expect(imported).not.toContain(client)
    expect(imported.has('node:sqlite')).toBe(specifier === './sqlite')
  })

  it('brings its command line, with nothing to install for SQLite', async () => {
    const { bin: bins } = JSON.parse(
      await readFile(join(application, 'node_modules', 'undici-resilience', 'package.json'), 'utf8'),
    ) as { bin: Record<string, string> }
    const cli = join(application, 'node_modules', 'undici-resilience', bins['undici-resilience']!)
    await node("(await import('undici-resilience/sqlite')).sqliteStore('letters.db').deadLetters.stats()")
    const { stdout } = await run(
      process.execPath,
      [cli, 'dead-letters', 'stats', '--json', '--store', 'sqlite:letters.db'],
      {
        cwd: application,
      },
    )
    expect(JSON.parse(stdout)).toMatchObject({ total: 0 })
  })

  it('can be required, and gives the same classes as an import', async () => {
    const { stdout } = await node(`
      import { createRequire } from 'node:module'
      import { IntegrationError } from 'undici-resilience'
      const required = createRequire(import.meta.url)('undici-resilience')
      console.log(required.IntegrationError === IntegrationError)`)
    expect(stdout.trim()).toBe('true')
  })

  it('compiles under the strict settings of a consumer, with undici 8 and its types', async () => {
    await symlink(join(root, 'node_modules', '@types'), join(application, 'node_modules', '@types'))
    await symlink(join(root, 'node_modules', 'ioredis'), join(application, 'node_modules', 'ioredis'))
    await symlink(
      join(root, 'node_modules', 'undici-types'),
      join(application, 'node_modules', 'undici-types'),
    )
    await writeFile(
      join(application, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          module: 'nodenext',
          target: 'es2023',
          lib: ['es2024'],
          strict: true,
          exactOptionalPropertyTypes: true,
          noEmit: true,
          types: ['node'],
          skipLibCheck: false,
        },
        files: ['app.ts'],
      }),
    )
    await writeFile(
      join(application, 'app.ts'),
      `${entries.map(([specifier], index) => `import * as entry${index} from '${specifier.replace('.', 'undici-resilience')}'`).join('\n')}
import { Redis } from 'ioredis'
import { Agent, setGlobalDispatcher } from 'undici'
import { resilience, withCallOptions, type DeadLetterStore } from 'undici-resilience'
import { redisStore } from 'undici-resilience/redis'
const stack = resilience({ store: redisStore(new Redis()), retry: { maxAttempts: 3 } })
setGlobalDispatcher(new Agent().compose(stack))
const letters: DeadLetterStore = stack.deadLetters
const response: Promise<Response> = withCallOptions({ retry: { maxAttempts: 2 } }, () => fetch('http://127.0.0.1'))
// @ts-expect-error a typo is no option
resilience({ retires: 3 })
export { letters, response, ${entries.map((_entry, index) => `entry${index}`).join(', ')} }
`,
    )
    const { stdout } = await run(bin('tsc'), ['-p', application]).catch((error: { stdout: string }) => error)
    expect(stdout).toBe('')
  })
})
