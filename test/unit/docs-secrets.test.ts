import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { redactBody } from '../../src/dead-letter/record/redaction/body.ts'
import { redactResponseHeaders } from '../../src/dead-letter/record/redaction/headers.ts'
import { defaultRules } from '../../src/dead-letter/record/redaction/rules.ts'
import { redactUrl } from '../../src/http/secrets/redacted-url.ts'
import { isSecretName } from '../../src/http/secrets/secret-names.ts'

const page = await readFile(new URL('../../docs/secrets.md', import.meta.url), 'utf8')

/** The cells of the table under a heading, without the code marks. */
function tableOf(heading: string): string[][] {
  const section = page.split(/^## /m).find((part) => part.startsWith(heading))
  const rows = section?.split('\n').filter((line) => line.startsWith('|')) ?? []
  expect(rows.length, heading).toBeGreaterThan(5)
  return rows.slice(2).map((row) =>
    row
      .slice(1, -1)
      .split(' |')
      .map((cell) => cell.trim().replace(/^`(.*)`$/, '$1')),
  )
}

describe('docs/secrets.md tells the truth of', () => {
  it.each(tableOf('The words'))('the name %s: %s in a url or header, %s in a body', (name, url, body) => {
    const word = (secret: boolean): string => (secret ? 'secret' : 'kept')
    expect(
      [isSecretName(name!, 'url'), isSecretName(name!, 'header'), isSecretName(name!, 'body')].map(word),
    ).toEqual([url, url, body])
  })

  it.each(tableOf('Urls'))('the url %s', (url, kept) => {
    expect(redactUrl(url!)).toBe(kept)
  })

  it.each(tableOf('Headers'))('the header %s', (header, kept) => {
    const colon = header!.indexOf(': ')
    const name = header!.slice(0, colon)
    const shown = redactResponseHeaders([[name, header!.slice(colon + 2)]], defaultRules)
    expect(shown[name]).toBe(kept === 'not at all' ? undefined : kept)
  })

  it.each(tableOf('Bodies'))('a body of %s: %s', (type, written, kept) => {
    const sent = Buffer.from(written!.replaceAll('\\r\\n', '\r\n'))
    const { body } = redactBody(sent, { type: type === 'none' ? '' : type!, encoding: '' }, defaultRules)
    expect(body?.toString()).toBe(kept === 'nothing' ? undefined : kept === 'all' ? sent.toString() : kept)
  })
})
