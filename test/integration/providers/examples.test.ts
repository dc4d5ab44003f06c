import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const run = promisify(execFile)
const folder = 'examples/providers'

/** The lines that say what the example is about. */
const examples: Record<string, string[]> = {
  'hubspot-client': [
    'contact 1 after 2 requests',
    'upserted 1, refused 1: Email address is invalid',
    'IntegrationError: 503 UNAVAILABLE, 1 attempt',
    'replayed: 1',
  ],
  agents: [
    'slots: 200 after 2 requests',
    'mail: 401 after 1 request',
    'refused: IntegrationError',
    'dead letter: sendgrid MAX_CREDITS, due when it is allowed',
  ],
  'official-sdks': ['hubspot: contact 1 after 2 requests', 'sendgrid: 202 after 2 requests'],
  'webhook-receiver': [
    'signed with the new key: 200 kept',
    'again, with the old one: 200 known already',
    'with a key of a stranger: 401 mismatch',
    'with another body: 401 mismatch',
    'an hour later: 401 expired',
  ],
  'two-processes': ['killed half way: true, gone on with to the end: true', 'contacts 60 of 60, twice 0'],
  'mailchimp-transactional-replay': [
    'mailchimp-transactional: POST <url> answered 500: down for maintenance',
    'kept: {"message":{"from_email":"shop@example.com","to":[{"email":"ada@example.com"}],"subject":"Your order"}}',
    'replayed: 1, mails sent: 1',
  ],
}

describe.concurrent('the example of the providers', { timeout: 120_000 }, () => {
  it.each(Object.entries(examples))('%s does what it shows, and ends by itself', async (name, lines) => {
    const args = ['--import', './examples/support/from-source.ts', `${folder}/${name}.ts`]
    const { stdout, stderr } = await run(process.execPath, args, { timeout: 100_000 })
    expect(stderr).toBe('')
    for (const line of lines) expect(stdout.split('\n')).toContain(line)
  })

  it('of each file is tested', () => {
    const files = readdirSync(folder).filter((file) => file.endsWith('.ts'))
    expect(files.map((file) => file.replace('.ts', '')).sort()).toEqual(Object.keys(examples).sort())
  })
})
