import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')

/** A block of code of a document, as a reader copies it. */
export interface DocumentBlock {
  readonly document: string
  readonly language: string
  readonly code: string
  /** A file for it: where it stands, and how Node would load it. */
  readonly file: string
  /** The packages that it asks for, beside this one and undici. */
  readonly packages: readonly string[]
}

/** What is installed for this repository. A block that needs more is checked with what test/consumers has. */
const installedHere = new Set(
  Object.keys(
    (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { devDependencies: object })
      .devDependencies,
  ),
)

/** Whether the packages of this repository are enough for the block. */
export function isForPackages({ packages }: DocumentBlock): boolean {
  return packages.every((name) => installedHere.has(name))
}

/** All blocks of code of the README, the documents and the lists of examples. */
export function documentBlocks(): DocumentBlock[] {
  const documents = globSync(['README.md', 'SECURITY.md', 'docs/**/*.md', 'examples/**/*.md'], { cwd: root })
  return documents.sort().flatMap((document) => {
    const markdown = readFileSync(join(root, document), 'utf8')
    return [...markdown.matchAll(/^( *)```(\w+)\n([\s\S]*?)^ *```/gm)].map(
      ([, indent, language, text], at) => {
        const code = text!.replaceAll(new RegExp(`^${indent}`, 'gm'), '')
        return {
          document,
          language: language!,
          code,
          file: `${document.replaceAll('/', '_').replace('.md', '')}_${at + 1}${extensionOf(language!, code)}`,
          packages: packagesOf(code),
        }
      },
    )
  })
}

function extensionOf(language: string, code: string): string {
  if (language === 'ts') return '.mts'
  if (language !== 'js') return `.${language}`
  return code.includes('require(') ? '.cjs' : '.mjs'
}

function packagesOf(code: string): string[] {
  const specifiers = [...code.matchAll(/(?:\bfrom |\bimport |\brequire\()'([^'.][^']*)'/g)].map(
    ([, name]) => name!,
  )
  const names = specifiers.map((specifier) => /^(@[^/]+\/)?[^/]+/.exec(specifier)![0])
  // in a test of Jest it is a global
  if (/\bjest\.\w/.test(code)) names.push('@types/jest')
  const others = names.filter((name) => !/^node:|^undici(-resilience)?$/.test(name))
  return [...new Set(others)]
}
