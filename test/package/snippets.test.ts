import { execFile } from 'node:child_process'
import { glob, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Installed, installed, root } from './installed.ts'

const run = promisify(execFile)

/** What snippets speak of without declaring it: the application around them. Whatever they import, they say. */
const surroundings = `
declare const redis: import('ioredis').Redis
declare const pool: import('pg').Pool
declare const stack: import('undici-resilience').ResilienceStack
declare const order: { id: string }
declare const record: import('undici-resilience').DeadLetterRecord
declare const contacts: { find(id: string | undefined): Promise<{ syncedAt: number } | undefined> }
declare const url: string
declare const body: string
declare const token: string
declare const log: import('undici-resilience').Logger
declare const queue: import('undici-resilience').DeadLetterSink
declare module '@calcom/sdk'
declare const clientId: string
declare const accessToken: string
declare const refreshToken: string
declare const apiKey: string
declare const contact: { id: string }
declare const cached: string
declare function sync(what: { id: string }, signal?: AbortSignal): Promise<string>
declare function got(url: string, options: object): Promise<unknown>
declare const ky: { get(url: string, options: object): { json(): Promise<unknown> } }
`

interface Snippet {
  readonly document: string
  readonly line: number
  readonly language: string
  readonly code: string
}

const snippets: Snippet[] = []
const documents = ['README.md', 'SECURITY.md']
for await (const document of glob('docs/**/*.md', { cwd: root })) documents.push(document)
for (const document of documents) {
  const markdown = await readFile(join(root, document), 'utf8')
  for (const match of markdown.matchAll(/^ *```(\w+)\n([\s\S]*?)^ *```/gm)) {
    const line = markdown.slice(0, match.index).split('\n').length
    snippets.push({ document, line, language: match[1]!, code: match[2]! })
  }
}
const nameOf = ({ document, line }: Snippet): string =>
  `${document.replaceAll('/', '_').replace('.md', '')}_line_${line}`

describe('code in the documents, against the built package', () => {
  let application: Installed
  beforeAll(async () => {
    application = await installed()
  })
  afterAll(() => application.dispose())

  it('compiles as it stands, its imports included, where it is TypeScript', async () => {
    await application.link(
      '@types/node',
      '@types/pg',
      'undici-types',
      'ioredis',
      'pg',
      'pino',
      'amqplib',
      'bullmq',
    )
    await application.link('@types/amqplib', '@sendgrid/mail', '@sendgrid/client')
    const typed = snippets.filter(({ language }) => language === 'ts')
    for (const snippet of typed) {
      await writeFile(join(application.folder, `${nameOf(snippet)}.ts`), `${snippet.code}\nexport {}\n`)
    }
    await writeFile(join(application.folder, 'surroundings.d.ts'), surroundings)
    await writeFile(
      join(application.folder, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          module: 'nodenext',
          target: 'es2023',
          lib: ['es2024'],
          types: ['node'],
          strict: true,
          exactOptionalPropertyTypes: true,
          noEmit: true,
          skipLibCheck: true,
        },
        include: ['*.ts'],
      }),
    )
    const tsc = join(root, 'node_modules', '.bin', 'tsc')
    const { stdout } = await run(tsc, ['-p', application.folder]).catch((error: { stdout: string }) => error)
    expect(stdout).toBe('')
    expect(typed.length).toBeGreaterThanOrEqual(30)
  })

  it('of the README, the first of all, runs in an empty folder and says what was retried', async () => {
    const [first] = snippets.filter(({ language }) => language === 'js')
    expect(first?.document).toBe('README.md')
    await writeFile(join(application.folder, 'first.mjs'), first!.code)
    const { stdout, stderr } = await run(process.execPath, ['first.mjs'], { cwd: application.folder })
    expect(stderr).toBe('')
    expect(stdout.split('\n')).toEqual([
      expect.stringMatching(/^attempt 1 was answered 503, the next one goes in \d+ ms$/),
      expect.stringMatching(/^attempt 2 was answered 503, the next one goes in \d+ ms$/),
      '200 hello, after 3 requests',
      '',
    ])
  })
})
