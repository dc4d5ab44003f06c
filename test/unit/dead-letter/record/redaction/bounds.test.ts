import { describe, expect, it } from 'vitest'
import { redactBody } from '../../../../../src/dead-letter/record/redaction/body.ts'
import { isWithoutWords } from '../../../../../src/dead-letter/record/redaction/large-body.ts'
import { defaultRules } from '../../../../../src/dead-letter/record/redaction/rules.ts'
import { redactText } from '../../../../../src/http/secrets/redacted-text.ts'
import { redactUrl } from '../../../../../src/http/secrets/redacted-url.ts'
import { SECRET, slowBodies } from '../../../../support/calls/slow-bodies.ts'

const MIB = 1024 * 1024
const namesOfUser = { ...defaultRules, body: new Set(['contraseña', 'iban']) }

// how long each takes is measured by bench/redaction.ts: here only what is quadratic would be seen, by its minutes
describe('a body made to take long', () => {
  it.each(Object.keys(slowBodies))('%s: no secret of it is kept', (name) => {
    const [text, type] = slowBodies[name]!
    for (const rules of [defaultRules, namesOfUser]) {
      const { body } = redactBody(Buffer.from(text), { type, encoding: '' }, rules)
      expect(body?.includes(SECRET) ?? false).toBe(false)
    }
  })

  it('is looked through in slices when it is large, with others running between them', async () => {
    const text = Buffer.from(`[${'{"a":1},'.repeat(MIB)}1]`)
    let turns = 0
    const turn = (): void => void (turns++, (timer = setImmediate(turn)))
    let timer = setImmediate(turn)
    expect(await isWithoutWords(text, defaultRules)).toBe(true)
    clearImmediate(timer)
    expect(turns).toBeGreaterThanOrEqual(text.byteLength / (512 * 1024) - 1)
  })

  it.each([
    ['at a border of slices', `${'x'.repeat(512 * 1024 - 4)}password${'x'.repeat(MIB)}`],
    ['at the end', `${'x'.repeat(2 * MIB)}"api_key":"1"`],
    ['escaped', `${'x'.repeat(2 * MIB)}"p\\u0061ssword":"1"`],
    ['percent-encoded', `${'x'.repeat(2 * MIB)}%70assword=1`],
  ])('is not without words when one is %s', async (_where, text) => {
    expect(await isWithoutWords(Buffer.from(text), defaultRules)).toBe(false)
  })
})

/** What a record keeps of `count` times the unit and a secret after them. */
type Written = readonly [count: number, text: (units: string) => string, unit: string]

const members = (units: string): string => `{${units}"password":"${SECRET}"}`
const list = (units: string): string => `[${units}{"password":"${SECRET}"}]`
const form = (units: string): string => `${units}password=${SECRET}`

/** How many there may be of each: 60,000 units of work, of which a name is one. */
const most: Record<string, Written> = {
  names: [59_990, members, '"a":1,'],
  'fields of a form': [59_990, form, 'a=b&'],
  objects: [179_900, list, '{},'],
  'escaped names': [11_700, members, '"\\u0061":1,'],
  'names with malformed escapes': [920, members, '"\\q":1,'],
  secrets: [14_990, members, '"token":"x",'],
  'documents inside': [6_300, list, '"{\\"a\\":1}",'],
  'short urls': [5_400, list, '"https://a.example/",'],
  'urls of a hundred characters': [
    2_300,
    list,
    `"https://a.example/${'a/b/c/d/'.repeat(4)}${'x'.repeat(50)}",`,
  ],
  'escaped fields of a form': [11_400, form, '%61=b&'],
}

describe('the work for one body is counted', () => {
  it.each(Object.keys(most))('so that there may be so many %s, and not a tenth more', (name) => {
    const [count, text, unit] = most[name]!
    const type = text === form ? 'application/x-www-form-urlencoded' : 'application/json'
    const kept = (times: number): string | undefined =>
      redactBody(Buffer.from(text(unit.repeat(times))), { type, encoding: '' }, defaultRules).body?.toString()
    expect(kept(count)).toContain('[redacted]')
    expect(kept(count)).not.toContain(SECRET)
    expect(kept(Math.ceil(count * 1.1))).toBeUndefined()
  })
})

describe('a url and a text', () => {
  const tail = '?access_token=1'

  it.each([
    ['that begins a token again and again', 'eyJ'.repeat(20_000)],
    ['with a name of words', `?${'aToken'.repeat(20_000)}=1&`],
    ['of letters and dots', 'a.'.repeat(30_000)],
    ['of colons', 'a:'.repeat(30_000)],
  ])('%s are gone through once', (_name, rest) => {
    expect(
      redactUrl(`https://a.example/${rest}${rest.startsWith('?') ? tail.replace('?', '&') : tail}`),
    ).toContain('access_token=[redacted]')
    expect(redactText(`failed: ${rest} https://a.example/${tail}`)).toMatch(/access_token=\[redacted\]$/)
  })

  it('with a token after something that only begins like one lose it', () => {
    const token = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln'
    for (const before of ['', 'x-', 'eyJ', 'eyJeyJ ', 'a.eyJ.', 'eyJaaaaaaa.b ']) {
      const shown = redactText(`got ${before}${token}`)
      expect(shown).not.toContain('c2ln')
      expect(shown).not.toContain('eyJzdWI')
    }
  })
})
