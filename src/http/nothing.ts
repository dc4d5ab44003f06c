/** What a template or `String()` makes of a value that is not there, or not yet: nobody has awaited it. */
const words = new Set(['undefined', 'null', '[object Promise]', '[object Object]'])

/** Whether a text is the word for a value that is not there: somebody meant to give one and had none, or no text. */
export function isWordForNothing(text: string): boolean {
  return words.has(text.replaceAll('"', '').trim())
}

/** Whether a text says nothing: it is empty, in quotes or not, or the word for a value that is not there. */
export function isNothing(text: string): boolean {
  return /^[\s"]*$/.test(text) || isWordForNothing(text)
}
