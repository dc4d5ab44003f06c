import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { safeJson, terminalSafe } from '../../../../src/cli/terminal/terminal-safe.ts'

const controls = [
  ...Array.from({ length: 0x20 }, (_, code) => code),
  0x7f,
  ...Array.from({ length: 0x20 }, (_, at) => 0x80 + at),
]
const bidi = [0x061c, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069]
const others = [0x00ad, 0x200b, 0x200d, 0x2028, 0x2029, 0xfeff, 0xe0041]

/** Looks at numbers alone, so that the expression under test does not judge itself. */
function isDangerous(code: number): boolean {
  return (
    code < 0x20 || (code >= 0x7f && code <= 0x9f) || bidi.includes(code) || code === 0x2028 || code === 0x2029
  )
}

describe('terminalSafe', () => {
  it('makes every C0, C1, bidirectional and invisible control visible', () => {
    for (const code of [...controls, ...bidi, ...others]) {
      const safe = terminalSafe(`a${String.fromCodePoint(code)}b`)
      expect(safe, code.toString(16)).toMatch(/^a\\(n|r|t|x[0-9a-f]{2}|u[0-9a-f]{4}|u\{[0-9a-f]+\})b$/)
    }
  })

  it('shows which control it was', () => {
    expect(terminalSafe('\u001b[31m\r\n\u009b\u202e')).toBe('\\x1b[31m\\r\\n\\x9b\\u202e')
  })

  it('leaves text of any script alone', () => {
    for (const text of ['plain', 'Grüße, 北京, עברית, مرحبا', '👍', 'back\\slash']) {
      expect(terminalSafe(text)).toBe(text)
    }
  })

  it('replaces a lone surrogate', () => {
    expect(terminalSafe('a\ud800b')).toBe('a\\ud800b')
  })

  it('lets nothing dangerous through, whatever the text', () => {
    const unit = fc.oneof(fc.constantFrom(...controls, ...bidi), fc.integer({ min: 0, max: 0x10ffff }))
    fc.assert(
      fc.property(fc.array(unit), (codes) => {
        const safe = terminalSafe(String.fromCodePoint(...codes))
        return [...safe].every((character) => !isDangerous(character.codePointAt(0) ?? 0))
      }),
    )
  })
})

describe('safeJson', () => {
  it('escapes the same characters and still parses to the same value', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0xffff })), (units) => {
        const text = String.fromCharCode(...units)
        const value = { text, [text]: [1, null], evil: '\u009b31m\u202e\u{e0041}\u007f' }
        const line = safeJson(value)
        expect([...line].some((character) => isDangerous(character.codePointAt(0) ?? 0))).toBe(false)
        expect(JSON.parse(line)).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  it('writes one line', () => {
    expect(safeJson({ a: '\n\u2028' })).toBe('{"a":"\\n\\u2028"}')
  })
})
