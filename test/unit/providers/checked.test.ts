import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const page = readFileSync('docs/architecture/providers/checked.md', 'utf8')
const seen = [...page.matchAll(/`(test\/[^`]+\.test\.ts)`: "([^"]+)"/g)].map((match) => [
  match[1]!,
  match[2]!,
])

it('names a test for each line of what was checked', () => {
  const lines = page.split('\n').filter((line) => /^\| (?!what the check|-)/.test(line))
  expect(seen).toHaveLength(lines.length)
  expect(lines.length).toBeGreaterThan(25)
})

it.each(seen)('in %s there is "%s"', (file, title) => {
  expect(readFileSync(file, 'utf8')).toContain(title)
})
