import { execFile } from 'node:child_process'
import { glob, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const root = join(import.meta.dirname, '..', '..')
const folder = join(root, 'node_modules', '.cache', 'snippets')

/** What snippets speak of without declaring it: the application around them. */
const surroundings = `
declare const redis: import('ioredis').Redis
declare const stack: import('undici-resilience').ResilienceStack
declare const order: { id: string }
declare const url: string
declare const body: string
declare const token: string
declare const log: import('undici-resilience').Logger
`

function snippetsOf(markdown: string): { code: string; line: number }[] {
  const found: { code: string; line: number }[] = []
  for (const match of markdown.matchAll(/^```(?:ts|typescript)\n([\s\S]*?)^```/gm)) {
    found.push({ code: match[1]!, line: markdown.slice(0, match.index).split('\n').length })
  }
  return found
}

/** A snippet may go on from the one before it: what it uses and does not import is imported for it. */
function asModule(code: string, imports: Map<string, string>): string {
  const declared = new Set(
    [...code.matchAll(/\b(?:const|let|function|class)\s+(\w+)/g)].map((match) => match[1]!),
  )
  const imported = new Set(
    [...code.matchAll(/import\s+(?:type\s+)?\{([^}]*)\}/g)].flatMap((match) =>
      match[1]!.split(',').map((name) =>
        name
          .trim()
          .replace(/^type\s+/, '')
          .split(' as ')
          .at(-1)!,
      ),
    ),
  )
  const missing = [...imports].filter(
    ([name]) => !declared.has(name) && !imported.has(name) && new RegExp(`\\b${name}\\b`).test(code),
  )
  return `${missing.map(([name, from]) => `import { ${name} } from '${from}'`).join('\n')}\n${code}\nexport {}\n`
}

it('every TypeScript snippet of the README and the docs compiles', async () => {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const imports = new Map<string, string>([
    ['Agent', 'undici'],
    ['setGlobalDispatcher', 'undici'],
    ['request', 'undici'],
    ['Redis', 'ioredis'],
    ['pino', 'pino'],
    ['redisStore', 'undici-resilience/redis'],
    ['sqliteStore', 'undici-resilience/sqlite'],
  ])
  const index = (await import('../../src/index.ts')) as Record<string, unknown>
  for (const name of Object.keys(index)) imports.set(name, 'undici-resilience')

  const names: string[] = []
  const documents = ['README.md']
  for await (const document of glob('docs/**/*.md', { cwd: root })) documents.push(document)
  for (const document of documents) {
    for (const { code, line } of snippetsOf(await readFile(join(root, document), 'utf8'))) {
      const name = `${document.replaceAll('/', '_').replace('.md', '')}_line_${line}.ts`
      names.push(name)
      await writeFile(join(folder, name), asModule(code, imports))
    }
  }
  await writeFile(join(folder, 'surroundings.d.ts'), surroundings)
  await writeFile(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      compilerOptions: {
        // habits of this repository, not of its readers
        noUnusedLocals: false,
        noPropertyAccessFromIndexSignature: false,
        paths: {
          'undici-resilience': [join(root, 'src', 'index.ts')],
          'undici-resilience/*': [join(root, 'src', '*.ts')],
        },
      },
      include: ['*.ts', join(root, 'src', 'lua.d.ts')],
    }),
  )
  const { stdout } = await promisify(execFile)(join(root, 'node_modules', '.bin', 'tsc'), [
    '-p',
    folder,
  ]).catch((error: { stdout: string }) => error)
  expect(stdout).toBe('')
  expect(names.length).toBeGreaterThanOrEqual(9)
}, 120_000)
