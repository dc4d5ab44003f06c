import { describe, expect, it } from 'vitest'
import { createAcuityAgent, createAcuityClient } from '../../../src/providers/acuity.ts'
import { createCalComAgent, createCalComClient } from '../../../src/providers/cal-com.ts'
import { createCalendlyAgent, createCalendlyClient } from '../../../src/providers/calendly.ts'
import { createHubSpotAgent, createHubSpotClient } from '../../../src/providers/hubspot.ts'
import {
  createMailchimpAgent,
  createMailchimpClient,
  createMailchimpTransactionalAgent,
  createMailchimpTransactionalClient,
} from '../../../src/providers/mailchimp.ts'
import { createSendGridAgent, createSendGridClient } from '../../../src/providers/sendgrid.ts'

type Make = (options: never) => unknown
type Request = (path: string, init: object) => Promise<unknown>
const refused = (make: Make, options: object) => {
  try {
    make(options as never)
  } catch (error) {
    return error as Error
  }
  throw new Error('was not refused')
}

const agents: [string, Make][] = [
  ['createHubSpotAgent', createHubSpotAgent],
  ['createCalendlyAgent', createCalendlyAgent],
  ['createAcuityAgent', createAcuityAgent],
  ['createCalComAgent', createCalComAgent],
  ['createSendGridAgent', createSendGridAgent],
  ['createMailchimpAgent', createMailchimpAgent],
  ['createMailchimpTransactionalAgent', createMailchimpTransactionalAgent],
]
const clients: [string, Make, object, string][] = [
  ['createHubSpotClient', createHubSpotClient, { accessToken: 't' }, 'accessToken'],
  ['createCalendlyClient', createCalendlyClient, { accessToken: 't' }, 'accessToken'],
  ['createAcuityClient', createAcuityClient, { userId: 1, apiKey: 'k' }, 'apiKey'],
  ['createCalComClient', createCalComClient, { apiKey: 'k' }, 'apiKey'],
  ['createSendGridClient', createSendGridClient, { apiKey: 'k' }, 'apiKey'],
  ['createMailchimpClient', createMailchimpClient, { apiKey: 'k-us6' }, 'apiKey'],
  ['createMailchimpTransactionalClient', createMailchimpTransactionalClient, { apiKey: 'k' }, 'apiKey'],
]

describe.each(clients)('%s', (name, make, good, credential) => {
  it('refuses a plain object as a body, and what fetch would drop', async () => {
    const server = name.includes('Mailchimp') ? {} : { baseUrl: 'http://127.0.0.1:9' }
    const client = make({ ...good, ...server } as never) as { request: Request; close(): Promise<void> }
    await expect(client.request('/x', { method: 'POST', body: { a: 1 } })).rejects.toThrow(
      /`init.body` must be/,
    )
    await expect(client.request('/x', { data: { a: 1 } })).rejects.toThrow(/`init.data` has no meaning here/)
    await client.close()
  })

  it('refuses missing and empty credentials by name', () => {
    for (const value of [undefined, '', null, 7]) {
      const error = refused(make, { ...good, [credential]: value })
      expect(error).toBeInstanceOf(TypeError)
      expect(error.message).toContain(`\`${credential}\``)
    }
  })

  it.each(['undefined', 'null'])('refuses the credential %j: a variable that is not set', (word) => {
    expect(refused(make, { ...good, [credential]: word })).toEqual(
      new TypeError(`\`${credential}\` must be a credential, got the word "${word}": is a variable not set?`),
    )
  })

  it('refuses a credential that no header can carry, without quoting it', () => {
    const error = refused(make, { ...good, [credential]: 'secret-value\r\n' })
    expect(error).toBeInstanceOf(RangeError)
    expect(error.message).not.toContain('secret-value')
  })

  it('refuses an option that does not exist, under its own name', () => {
    const error = refused(make, { ...good, acessToken: 't' })
    expect(error.message).toMatch(new RegExp(`^\`${name}\` has no option \`acessToken\``))
  })

  it('refuses a wrong base url, and wrong resilience options', () => {
    expect(refused(make, { ...good, baseUrl: '/relative' })).toBeInstanceOf(TypeError)
    const withUser = refused(make, { ...good, baseUrl: 'https://user:pass-word@host' })
    expect(withUser).toBeInstanceOf(RangeError)
    expect(withUser.message).not.toContain('pass-word')
    expect(refused(make, { ...good, baseUrl: 'ftp://host' })).toBeInstanceOf(RangeError)
    expect(refused(make, { ...good, retry: { maxAttempts: 0 } }).message).toContain('`retry.maxAttempts`')
    expect(refused(make, { ...good, dispatcher: {} }).message).toContain('`dispatcher`')
  })
})

describe.each(agents)('%s', (name, make) => {
  it('refuses options that do not exist', () => {
    expect(refused(make, { connections: 1 }).message).toMatch(new RegExp(`^\`${name}\` has no option`))
  })
})

describe('a client of one provider', () => {
  it('refuses a time zone that is none', () => {
    expect(refused(createHubSpotClient, { accessToken: 't', timeZone: 'Mars/Base' })).toEqual(
      new RangeError('`timeZone` must be an IANA time zone such as "America/New_York", got "Mars/Base"'),
    )
  })

  it('refuses a Mailchimp key without a data centre, or with one that would choose another host', () => {
    expect(refused(createMailchimpClient, { apiKey: 'abc' }).message).toContain('must end in its data centre')
    for (const apiKey of ['abc-', 'abc-us', 'abc-us6.evil.example', 'abc-us6/', 'abc-US6', 'abc-x-us6']) {
      expect(refused(createMailchimpClient, { apiKey }), apiKey).toBeInstanceOf(RangeError)
    }
    expect(refused(createMailchimpClient, { apiKey: 'abc-us6', dataCenter: 'us7' }).message).toContain(
      'key\'s own, "us6"',
    )
    expect(refused(createMailchimpClient, { accessToken: 't' }).message).toContain('`dataCenter`')
    expect(
      refused(createMailchimpClient, { accessToken: 't', apiKey: 'k-us6', dataCenter: 'us6' }).message,
    ).toContain('exclude each other')
  })

  it('refuses credentials that contradict each other', () => {
    expect(refused(createAcuityClient, { userId: 1, apiKey: 'k', accessToken: 't' }).message).toContain(
      'exclude',
    )
    expect(refused(createAcuityClient, { userId: '1:2', apiKey: 'k' })).toBeInstanceOf(RangeError)
    expect(refused(createCalComClient, {}).message).toContain('got 0 of them')
    expect(refused(createCalComClient, { apiKey: 'k', accessToken: 't' }).message).toContain('got 2 of them')
    expect(refused(createCalComClient, { clientId: 'c' }).message).toContain('`secretKey`')
    expect(refused(createCalComClient, { apiKey: 'k', apiVersion: 'latest' })).toBeInstanceOf(RangeError)
  })
})

describe('a method of a client', () => {
  const nowhere = 'http://127.0.0.1:9'

  it('refuses bad arguments before any request', async () => {
    const hubspot = createHubSpotClient({ accessToken: 't', baseUrl: nowhere })
    const mailchimp = createMailchimpClient({ apiKey: 'k-us6', baseUrl: nowhere })
    const sendgrid = createSendGridClient({ apiKey: 'k', baseUrl: nowhere })
    await expect(mailchimp.setMember('list', 'no address')).rejects.toThrow(
      '`email` must be an e-mail address, got "no address"',
    )
    await expect(mailchimp.setTags('list', 'ada@', {})).rejects.toBeInstanceOf(RangeError)
    await expect(mailchimp.setMember('', 'ada@example.com')).rejects.toThrow('`listId` must be')
    await expect(hubspot.upsertContacts([])).rejects.toThrow('`inputs` must hold 1 to 100 contacts, got 0')
    await expect(hubspot.upsertContact('')).rejects.toThrow('`email` must be a non-empty string')
    await expect(hubspot.updateContact('..', {})).rejects.toThrow('`id` must be an id, got ".."')
    await expect(sendgrid.send({ from: { email: 'a@b.c' }, personalizations: [] })).rejects.toThrow('got 0')
    await expect(sendgrid.upsertContacts([])).rejects.toThrow(
      '`contacts` must hold 1 to 30000 contacts, got 0',
    )
    await Promise.all([hubspot.close(), mailchimp.close(), sendgrid.close()])
  })
})
