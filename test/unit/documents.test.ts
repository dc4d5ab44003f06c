import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'

const documents = [
  ...globSync('*.md').filter((file) => file !== 'CHANGELOG.md'),
  ...globSync('{docs,examples,bench}/**/*.md'),
]
const textOf = (file: string): string => readFileSync(file, 'utf8')
const withoutCode = (text: string): string => text.replace(/^```[\s\S]*?^```/gm, '')

/** As GitHub makes them of headings. */
function anchorsOf(text: string): string[] {
  return [...withoutCode(text).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}

/** What stands in backticks and looks like a file or a folder: with a slash, and without anything to fill in. */
function pathsIn(text: string): string[] {
  return [...withoutCode(text).matchAll(/`([\w.-]+(?:\/[\w.-]+)*(?:\/|\.(?:ts|lua|js|json|md)))`/g)]
    .map(([, path]) => path!)
    .filter((path) => path.includes('/') || /\.(ts|lua)$/.test(path))
}

const rooms = readdirSync('src', { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)

describe.each(documents)('%s', (file) => {
  const text = textOf(file)

  it('links to files and headings that exist', () => {
    for (const [, target] of withoutCode(text).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
      const [path = '', anchor] = target!.split('#')
      const linked = path === '' ? file : join(dirname(file), path)
      expect(existsSync(linked), target).toBe(true)
      if (anchor !== undefined) expect(anchorsOf(textOf(linked)), target).toContain(anchor)
    }
  })

  it('names files of this repository that exist', () => {
    for (const [path] of text.matchAll(/(?<![\w./-])(?:src|test|examples|docs)\/[\w/-]+\.(?:ts|lua|md)\b/g)) {
      expect(existsSync(path), path).toBe(true)
    }
  })

  it('names no command of package.json that there is not', () => {
    const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> }
    for (const [, script] of text.matchAll(/npm run ([\w:-]+)/g)) expect(scripts).toHaveProperty([script!])
  })
})

/** Pages for who uses the package, and has the tarball alone. */
const ofUsers = documents.filter((file) => /^(README|SECURITY)\.md$|^docs\//.test(file))

it.each(ofUsers)('%s, a page for users, names no file of the sources', (file) => {
  expect(textOf(file).match(/(?<![\w./-])src\/[\w/.-]+/g) ?? []).toEqual([])
})

describe('the map of the code', () => {
  it.each(['ARCHITECTURE.md', 'CONTRIBUTING.md'])('in %s names files and folders that exist', (file) => {
    const paths = pathsIn(textOf(file))
    expect(paths.length).toBeGreaterThan(5)
    const missing = paths.filter((path) => {
      // furniture of every room
      const anyRoom = /^(options|interceptor|handler|decision|backoff|classify|preset|agent|client)\.ts$/
      return !anyRoom.test(path) && !existsSync(path) && !existsSync(join('src', path))
    })
    expect(missing).toEqual([])
  })

  it('names every room', () => {
    const map = textOf('ARCHITECTURE.md')
    expect(rooms.filter((room) => !new RegExp(`(^|[\`\\s])${room}/`).test(map))).toEqual([])
  })
})
