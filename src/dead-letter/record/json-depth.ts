const QUOTE = 0x22
const BACKSLASH = 0x5c
const BRACKET = 0x5b
const BRACKET_END = 0x5d
const BRACE = 0x7b
const BRACE_END = 0x7d

/**
 * Whether brackets outside of strings are nested deeper than `levels`. Looked at before anything is parsed: what is
 * nested deeply costs memory and, in a parser, the stack.
 */
export function isNestedDeeper(json: string, levels: number): boolean {
  let depth = 0
  let quoted = false
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at)
    if (code === QUOTE) quoted = !quoted
    else if (quoted) at += code === BACKSLASH ? 1 : 0
    else if (code === BRACKET || code === BRACE) {
      if (++depth > levels) return true
    } else if (code === BRACKET_END || code === BRACE_END) depth--
  }
  return false
}
