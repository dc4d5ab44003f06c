/**
 * What a terminal may act on or hide: C0, DEL and C1 controls, bidirectional and other format characters, line and
 * paragraph separators, lone surrogates. `util.stripVTControlCharacters` leaves carriage returns, backspaces and U+202E.
 */
const unsafe = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** The text on one line, with everything that a terminal would act on made visible. */
export function terminalSafe(text: string): string {
  return text.replace(unsafe, (character) => short[character] ?? escaped(character))
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0
  const hex = code.toString(16)
  if (code > 0xffff) return `\\u{${hex}}`
  return code > 0xff ? `\\u${hex.padStart(4, '0')}` : `\\x${hex.padStart(2, '0')}`
}

/** JSON on one line in which the same characters are escaped, so that it can be printed and still be parsed. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(unsafe, (character) =>
    Array.from({ length: character.length }, (_, at) => {
      return `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`
    }).join(''),
  )
}
