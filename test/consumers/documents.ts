import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { documentBlocks, isForPackages } from '../support/document-blocks.ts'

/** A block of the documents that is a whole test, and what runs it. */
interface DocumentTest {
  readonly runner: 'vitest' | 'jest' | 'node:test'
  readonly file: string
}

/**
 * Writes blocks of the documents into the folder of an application: those that need a package of test/consumers, to be
 * compiled, and those that are tests, to be run. The others are checked by test/package/snippets.test.ts.
 */
export async function writtenDocuments(folder: string): Promise<{
  readonly typescript: readonly string[]
  readonly javascript: readonly string[]
  readonly tests: readonly DocumentTest[]
}> {
  const code = documentBlocks().filter(({ language }) => language === 'ts' || language === 'js')
  const compiled = code.filter((block) => !isForPackages(block))
  for (const { file, code: text } of compiled) {
    await writeFile(join(folder, file), file.endsWith('.cjs') ? text : `${text}\nexport {}\n`)
  }
  const filesOf = (language: string): string[] =>
    compiled.filter((block) => block.language === language).map(({ file }) => file)
  const tests: DocumentTest[] = []
  for (const { code: text } of code) {
    const runner = runnerOf(text)
    if (runner === undefined) continue
    // the default configuration of Jest looks for tests by this name
    const file = `document-${tests.length}.test.${runner === 'jest' ? 'js' : 'mjs'}`
    await writeFile(join(folder, file), text)
    tests.push({ runner, file })
  }
  return { typescript: filesOf('ts'), javascript: filesOf('js'), tests }
}

function runnerOf(code: string): DocumentTest['runner'] | undefined {
  if (code.includes("from 'vitest'")) return 'vitest'
  if (code.includes('jest.useFakeTimers')) return 'jest'
  return code.includes("from 'node:test'") ? 'node:test' : undefined
}
