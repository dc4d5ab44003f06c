import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { cases } from '../../support/providers/cases.ts'
import { presetCases } from '../../support/providers/preset-cases.ts'

const entries = readdirSync('src/providers')
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.replace('.ts', ''))

const presets = readdirSync('src/providers/presets')
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.replace('.ts', ''))

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as { exports: Record<string, object> }
const bundles = readFileSync('tsup.config.ts', 'utf8')

describe.each(entries)('the provider %s', (entry) => {
  it('passes the contract of all providers', () => {
    expect(cases.map((one) => one.integration)).toContain(entry)
  })

  it('is published, and bundled', () => {
    expect(manifest.exports).toHaveProperty([`./providers/${entry}`], exportsOf(entry))
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
    expect(module['preset']).toMatchObject({ integration: entry })
    expect(names.some((name) => /^create\w+Agent$/.test(name))).toBe(true)
    expect(names.some((name) => /^create\w+Client$/.test(name))).toBe(true)
  })
})

describe.each(presets)('the provider without a client %s', (entry) => {
  it('passes the contract of all providers', () => {
    expect(presetCases.map((one) => one.integration)).toContain(entry)
  })

  it('is published, and bundled', () => {
    expect(manifest.exports).toHaveProperty([`./providers/${entry}`], exportsOf(entry))
    expect(bundles).toContain(`'providers/${entry}': 'src/providers/presets/${entry}.ts'`)
  })

  it('has a page that the chapter on integrations names', () => {
    expect(existsSync(`docs/architecture/providers/presets/${entry}.md`)).toBe(true)
    const chapter = readFileSync('docs/architecture/integrations.md', 'utf8')
    expect(chapter).toContain(`(providers/presets/${entry}.md)`)
  })

  it('exports a preset and a function that makes an Agent', async () => {
    const module = (await import(`../../../src/providers/presets/${entry}.ts`)) as Record<string, unknown>
    expect(module['preset']).toMatchObject({ integration: entry })
    expect(Object.keys(module).some((name) => /^create\w+Agent$/.test(name))).toBe(true)
  })
})

describe('the pages of the clients', () => {
  it.each(cases.map((one) => [one.title, one] as const))('name each method of %s', async (_title, one) => {
    const client = one.client({ baseUrl: 'http://127.0.0.1:9' })
    const prototype = Object.getPrototypeOf(client) as object
    const own = Object.getOwnPropertyNames(prototype).filter(
      (name) => !['constructor', 'lookUp', 'settleGraceMs', 'request', 'objects'].includes(name),
    )
    expect(own.length).toBeGreaterThan(0)
    const page = readFileSync(pageOf(one.integration), 'utf8')
    for (const name of own) expect(page).toMatch(new RegExp(`\\b${name}\\b`))
    await client.close()
  })
})

function exportsOf(entry: string): object {
  const module = `./dist/esm/providers/${entry}.js`
  const types = `./dist/providers/${entry}.d`
  return {
    import: { types: `${types}.ts`, module, default: `./dist/providers/${entry}.js` },
    require: { types: `${types}.cts`, module, default: `./dist/providers/${entry}.cjs` },
  }
}

function pageOf(integration: string): string {
  const folder = presets.includes(integration) ? 'presets/' : ''
  return `docs/architecture/providers/${folder}${integration.replace('-transactional', '')}.md`
}

describe('the pages of the providers', () => {
  it.each([...cases, ...presetCases].map((one) => [one.title, one] as const))(
    'have the values of the preset of %s',
    (_title, one) => {
      const page = readFileSync(pageOf(one.integration), 'utf8')
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
