import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Installed, installed, root } from './installed.ts'

const run = promisify(execFile)
const bin = (name: string) => join(root, 'node_modules', '.bin', name)
const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, { import: { default: string; types: string }; require: { types: string } } | string>
  types: string
  typesVersions: { '*': Record<string, string[]> }
  dependencies?: Record<string, string>
}
const entries = Object.entries(manifest.exports).filter(([, target]) => typeof target === 'object') as [
  string,
  { import: { default: string; types: string }; require: { types: string } },
][]

let at: Installed
let application: string
let tarball: string
beforeAll(async () => {
  at = await installed()
  application = at.folder
  tarball = at.tarball
})
afterAll(() => at.dispose())

const node = (code: string) =>
  run(process.execPath, ['--input-type=module', '-e', code], { cwd: application })

describe('the published package', () => {
  it('is found right by publint and by arethetypeswrong', async () => {
    await run(bin('publint'), ['--strict', root])
    await run(bin('attw'), [tarball])
  })

  it('has its types for compilers that do not read `exports`: those of a NestJS service with `module: commonjs`', () => {
    const types = entries.map(([name, target]) => [name.slice(2), [target.require.types]])
    expect({ '': [manifest.types], ...manifest.typesVersions['*'] }).toEqual(Object.fromEntries(types))
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
      'BulkheadFullError',
      'CircuitBreaker',
      'CircuitBreakerOpenError',
      'DeadLetterFormatError',
      'IntegrationError',
      'RateLimitError',
      'RequestTimeoutError',
      'ResilientHttpClient',
      'SealError',
      'ShutdownError',
      'bulkhead',
      'channels',
      'circuitBreaker',
      'createOutbox',
      'deadLetter',
      'decodeDeadLetter',
      'encodeDeadLetter',
      'forwardDeadLetters',
      'isIntegrationError',
      'memoryStore',
      'rateLimit',
      'replayDeadLetter',
      'replayDeadLetters',
      'resilience',
      'retry',
      'startForwarder',
      'startReplayer',
      'timeout',
      'withCallOptions',
      'withRetry',
    ])
  })

  it.each(entries)(
    'offers %s as what Node and bundlers ask for, in files that are there',
    (specifier, target) => {
      const name = target.import.default.replace(/^\.\/dist\/(.*)\.js$/, '$1')
      const module = `./dist/esm/${name}.js`
      const [ofImport, ofRequire] = [`./dist/${name}.d.ts`, `./dist/${name}.d.cts`]
      expect(manifest.exports[specifier]).toEqual({
        import: { types: ofImport, module, default: `./dist/${name}.js` },
        require: { types: ofRequire, module, default: `./dist/${name}.cjs` },
      })
      for (const file of [ofImport, ofRequire, module, `./dist/${name}.js`, `./dist/${name}.cjs`]) {
        expect(existsSync(join(application, 'node_modules', 'undici-resilience', file)), file).toBe(true)
      }
    },
  )

  it.each(entries)('bundles %s without a client of a store or a logger', async (specifier) => {
    const { metafile, outputFiles } = await build({
      stdin: {
        contents: `export * from '${specifier.replace('.', 'undici-resilience')}'`,
        resolveDir: application,
      },
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
    for (const client of ['ioredis', 'pino', 'pg', 'amqplib', 'bullmq']) {
      expect(imported).not.toContain(client)
    }
    expect(imported).not.toContain('node:sqlite')
    expect(
      outputFiles[0]!.text.includes("('node:sqlite')") || outputFiles[0]!.text.includes('("node:sqlite")'),
    ).toBe(specifier === './sqlite')
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

  it('has plain exports, behind which no call goes through a getter, and lines that lead to the source', async () => {
    const { stdout } = await run(
      process.execPath,
      [
        '--enable-source-maps',
        '-e',
        `const entry = require('undici-resilience')
         const modules = Object.values(require.cache).filter(({ id }) => id.includes('undici-resilience'))
         const all = modules.flatMap(({ exports }) => Object.values(Object.getOwnPropertyDescriptors(exports)))
         console.log(all.length > 100 && all.every(({ value }) => value !== undefined))
         try { entry.retry({ maxAttempts: -1 }) } catch (error) { console.log(error.stack) }`,
      ],
      { cwd: application },
    )
    expect(stdout).toMatch(/^true\n/)
    const [, file, line] = /at checkNumber \(.*\/(src\/\w+\.ts):(\d+):/.exec(stdout)!
    const source = await readFile(join(root, file!), 'utf8')
    expect(source.split('\n')[Number(line) - 1]).toContain('throw')
  })

  it('can be required, and gives the same classes as an import', async () => {
    const { stdout } = await node(`
      import { createRequire } from 'node:module'
      import { IntegrationError } from 'undici-resilience'
      const required = createRequire(import.meta.url)('undici-resilience')
      console.log(required.IntegrationError === IntegrationError)`)
    expect(stdout.trim()).toBe('true')
  })

  it.each(['undici-resilience', 'undici-resilience/sqlite', 'undici-resilience/dist/cli.js'])(
    'says in a sentence that Node 20 is too old, when %s is loaded',
    async (entry) => {
      const path = entry.endsWith('.js') ? `./node_modules/${entry}` : entry
      const { stderr } = await node(`
        Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.19.5' } })
        await import('${path}')`).catch((error: { stderr: string }) => error)
      expect(stderr).toContain('undici-resilience needs Node.js 22.19 or later, got 20.19.5\n')
    },
  )

  it('says in an editor of every export what it is; of the shapes in which providers answer, their own pages do', () => {
    const files = entries
      .filter(([specifier]) => !specifier.startsWith('./providers/'))
      .map(([, target]) => join(at.own, target.import.types))
    const program = ts.createProgram(files, {
      module: ts.ModuleKind.NodeNext,
      types: [],
      skipLibCheck: true,
    })
    const checker = program.getTypeChecker()
    const silent = files.flatMap((file) => {
      const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)!)!)
      return exported
        .map((one) => (one.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(one) : one))
        .filter((one) => one.getDocumentationComment(checker).length === 0)
        .map(({ name }) => name)
    })
    expect(silent).toEqual([])
  })

  it('compiles under the strict settings of a consumer, with undici 8 and its types', async () => {
    await at.link('@types', 'ioredis', 'undici-types')
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
