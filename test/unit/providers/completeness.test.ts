import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { cases } from '../../support/providers/cases.ts'

const entries = readdirSync('src/providers')
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.replace('.ts', ''))

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as { exports: Record<string, object> }
const bundles = readFileSync('tsup.config.ts', 'utf8')

describe.each(entries)('the provider %s', (entry) => {
  it('passes the contract of all providers', () => {
    expect(cases.map((one) => one.name)).toContain(entry)
  })

  it('is published, and bundled', () => {
    expect(manifest.exports).toHaveProperty([`./providers/${entry}`], {
      types: `./dist/providers/${entry}.d.ts`,
      default: `./dist/providers/${entry}.js`,
    })
    expect(bundles).toContain(`'providers/${entry}': 'src/providers/${entry}.ts'`)
  })

  it('has a page that the chapter on integrations names', () => {
    expect(existsSync(`docs/architecture/providers/${entry}.md`)).toBe(true)
    const chapter = readFileSync('docs/architecture/integrations.md', 'utf8')
    expect(chapter).toContain(`(providers/${entry}.md)`)
  })

  it('exports a preset, a function that makes an Agent and one that makes a client', async () => {
    const module = (await import(`../../../src/providers/${entry}.ts`)) as Record<string, unknown>
    const names = Object.keys(module)
    expect(module['preset']).toMatchObject({ name: entry })
    expect(names.some((name) => /^create\w+Agent$/.test(name))).toBe(true)
    expect(names.some((name) => /^create\w+Client$/.test(name))).toBe(true)
  })
})

describe('the pages of the providers', () => {
  it.each(cases.map((one) => [one.title, one] as const))(
    'have the values of the preset of %s',
    (_title, one) => {
      const page = readFileSync(
        `docs/architecture/providers/${one.name.replace('-transactional', '')}.md`,
        'utf8',
      )
      const { attemptTimeoutMs, totalTimeoutMs, retry, circuitBreaker } = one.preset
      const spoken = (ms: number) => new RegExp(`\\| ${ms.toLocaleString('en')} +\\|`)
      expect(page).toMatch(spoken(attemptTimeoutMs))
      expect(page).toMatch(spoken(totalTimeoutMs))
      const seconds = (ms = 0) => String(ms / 1000)
      const { maxAttempts, initialBackoffMs, maxBackoffMs } = retry
      expect(page).toContain(
        `${maxAttempts} attempts, ${seconds(initialBackoffMs)} to ${seconds(maxBackoffMs)} s`,
      )
      const { failureThreshold, windowMs, timeoutMs } = circuitBreaker
      expect(page).toContain(
        `${failureThreshold} failures in ${seconds(windowMs)} s, open for ${seconds(timeoutMs)} s`,
      )
    },
  )
})
