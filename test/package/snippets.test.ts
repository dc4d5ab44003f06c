import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { documentBlocks, isForPackages } from '../support/document-blocks.ts'
import { type Installed, installed, root } from './installed.ts'

const run = promisify(execFile)

const manifest = await readFile(join(root, 'test', 'consumers', 'package.json'), 'utf8')
const ofConsumers = (JSON.parse(manifest) as { dependencies: object }).dependencies

const code = documentBlocks().filter(({ language }) => language === 'ts' || language === 'js')
const first = code.find(({ document }) => document === 'README.md')!
const compiled = code.filter((block) => block !== first)
const checkedHere = compiled.filter(isForPackages)

const options = {
  module: 'nodenext',
  target: 'es2023',
  lib: ['es2024'],
  types: ['node'],
  noEmit: true,
  skipLibCheck: true,
}

describe('code in the documents, against the built package', () => {
  let application: Installed
  beforeAll(async () => {
    application = await installed()
    await application.link(
      '@types',
      'undici-types',
      ...new Set(checkedHere.flatMap(({ packages }) => packages)),
    )
    for (const { file, code: text } of checkedHere) {
      await writeFile(
        join(application.folder, file),
        `${text}\n${file.endsWith('.cjs') ? '' : 'export {}\n'}`,
      )
    }
  })
  afterAll(() => application.dispose())

  async function complaints(language: string, compilerOptions: object): Promise<string> {
    const files = checkedHere.filter((block) => block.language === language).map(({ file }) => file)
    expect(files.length).toBeGreaterThanOrEqual(10)
    const config = join(application.folder, `tsconfig.${language}.json`)
    await writeFile(config, JSON.stringify({ compilerOptions: { ...options, ...compilerOptions }, files }))
    const tsc = join(root, 'node_modules', '.bin', 'tsc')
    const { stdout } = await run(tsc, ['-p', config]).catch((error: { stdout: string }) => error)
    return stdout
  }

  it('is checked here or, where it needs what only the consumers have, by test/consumers/documents.ts', () => {
    const others = compiled.filter((block) => !isForPackages(block)).flatMap(({ packages }) => packages)
    const unknown = others.filter((name) => !Object.hasOwn(ofConsumers, name))
    expect(unknown).toEqual([])
  })

  it('compiles as it stands, its imports included, where it is TypeScript', async () => {
    expect(await complaints('ts', { strict: true, exactOptionalPropertyTypes: true })).toBe('')
  })

  it('names what there is, its imports included, where it is JavaScript', async () => {
    // one undici for all: JavaScript does not mind that the types of the global fetch are those of another
    const paths = { undici: ['./node_modules/undici-types/index.d.ts'] }
    expect(await complaints('js', { allowJs: true, checkJs: true, strict: false, paths })).toBe('')
  })

  it('of the README, the first of all, runs in an empty folder and says what was retried', async () => {
    await writeFile(join(application.folder, 'first.mjs'), first.code)
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
