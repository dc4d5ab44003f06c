import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { memoryStore } from '../../../src/index.ts'
import {
  createHubSpotAgent,
  createHubSpotClient,
  type HubSpotClientOptions,
} from '../../../src/providers/hubspot.ts'
import { FakeHubSpot } from '../../support/providers/fakes/fake-hubspot.ts'
import { guardSecrets } from '../../support/providers/guard-secrets.ts'

const token = 'pat-na1-secret'
const keepRecords = guardSecrets([token, 'pat-other'])
let fake: FakeHubSpot
let close: (() => Promise<void>)[]

function client(options: Partial<HubSpotClientOptions> = {}) {
  const made = createHubSpotClient({ accessToken: token, baseUrl: fake.baseUrl, ...options })
  close.push(async () => {
    await keepRecords(made)
    await made.close()
  })
  return made
}

beforeEach(async () => {
  fake = await new FakeHubSpot(token).start()
  close = []
})
afterEach(async () => {
  await Promise.all(close.map((one) => one()))
  await fake.close()
})

describe('the HubSpot client', () => {
  it('creates, updates, finds and upserts contacts', async () => {
    const hubspot = client()
    const contact = await hubspot.createContact({ email: 'ada@example.com', firstname: 'Ada' })
    expect(contact).toMatchObject({ id: '1', properties: { email: 'ada@example.com' } })
    expect((await hubspot.updateContact(contact.id, { lastname: 'Lovelace' })).properties).toMatchObject({
      firstname: 'Ada',
      lastname: 'Lovelace',
    })
    expect(await hubspot.upsertContact('ada@example.com', { firstname: 'A.' })).toMatchObject({
      id: '1',
      new: false,
    })
    expect(await hubspot.upsertContact('grace@example.com')).toMatchObject({ id: '2', new: true })
    expect(await hubspot.searchContacts({ query: 'a' })).toMatchObject({ total: 2 })
    const response = await hubspot.request('/crm/v3/objects/contacts/1')
    expect(await response.json()).toMatchObject({ id: '1' })
  })

  it('hands on a partial success, and repeats nothing of it', async () => {
    const result = await client().upsertContacts([{ email: 'ada@example.com' }, { email: 'nobody' }])
    expect(result).toMatchObject({
      partial: true,
      results: [{ properties: { email: 'ada@example.com' } }],
      errors: [{ category: 'VALIDATION_ERROR', context: { id: ['nobody'] } }],
    })
    expect(fake.requests).toHaveLength(1)
    expect(await client().upsertContacts([{ email: 'ada@example.com' }])).toMatchObject({
      partial: false,
      errors: [],
    })
  })

  it('makes an error of the upsert of one contact that HubSpot refused', async () => {
    await expect(client().upsertContact('nobody')).rejects.toMatchObject({
      name: 'IntegrationError',
      statusCode: 207,
      providerCode: 'VALIDATION_ERROR',
      message: 'HubSpot refused the upsert: Email address is invalid',
    })
  })

  it('waits out a lock of two seconds, also with a create', async () => {
    fake.faults = [{ instead: fake.error(423, 'Resource is locked', 'LOCKED') }]
    const before = performance.now()
    await client().createContact({ email: 'ada@example.com' })
    expect(performance.now() - before).toBeGreaterThanOrEqual(1_999)
    expect(fake.requests).toHaveLength(2)
    expect(fake.duplicates).toBe(0)
  })

  it('waits a second for the search limit, which names no policy and no interval', async () => {
    fake.faults = [{ instead: fake.secondly() }]
    const before = performance.now()
    await client().searchContacts({ query: 'ada' })
    expect(performance.now() - before).toBeGreaterThanOrEqual(999)
    expect(fake.early).toBe(0)
  })

  it('repeats an update after an outage: it sets the same properties', async () => {
    const hubspot = client()
    await hubspot.createContact({ email: 'ada@example.com' })
    fake.faults = [{ afterwards: { status: 500 } }]
    await hubspot.updateContact('1', { firstname: 'Ada' })
    expect(fake.requests.map(({ method }) => method)).toEqual(['POST', 'PATCH', 'PATCH'])
  })

  it('puts a call to an account in migration off until Retry-After', async () => {
    const store = memoryStore()
    const hubspot = client({ store })
    fake.faults = [
      { instead: { status: 477, headers: { 'retry-after': '7200' }, body: { message: 'migrating' } } },
    ]
    const before = Date.now()
    await expect(hubspot.searchContacts({})).rejects.toMatchObject({ statusCode: 477, attempts: 1 })
    await hubspot.close()
    const { items } = await store.deadLetters.list()
    expect(items).toMatchObject([{ reason: 'rate-limited' }])
    expect(items[0]?.notBefore).toBeGreaterThanOrEqual(before + 7_200_000)
    expect(fake.requests).toHaveLength(1)
  })

  it('comes back soon when the migration does not last', async () => {
    fake.faults = [{ instead: { status: 477, headers: { 'retry-after': '0' } } }]
    await client({ retry: { initialBackoffMs: 1 } }).searchContacts({})
    expect(fake.requests).toHaveLength(2)
  })

  it('counts 525 against the circuit and 530 not, and retries neither', async () => {
    for (const [status, state, captured] of [
      [525, 'open', 2],
      [530, 'closed', 0],
    ] as const) {
      const store = memoryStore()
      const hubspot = client({ store, circuitBreaker: { failureThreshold: 2 } })
      fake.faults = [{ instead: { status } }, { instead: { status } }]
      fake.requests.length = 0
      for (let call = 0; call < 2; call++) {
        await expect(hubspot.searchContacts({})).rejects.toMatchObject({ statusCode: status, attempts: 1 })
      }
      expect(fake.requests).toHaveLength(2)
      expect(hubspot.circuits.list()).toMatchObject([{ state }])
      await hubspot.close()
      expect((await store.deadLetters.list()).items).toHaveLength(captured)
    }
  })

  it('makes the daily limit due at midnight of the account', async () => {
    const store = memoryStore()
    const hubspot = client({ store, timeZone: 'America/New_York' })
    fake.faults = [{ instead: fake.daily() }]
    const error: unknown = await hubspot
      .createContact({ email: 'ada@example.com' })
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ name: 'RateLimitError', providerCode: 'DAILY' })
    await hubspot.close()
    const [letter] = (await store.deadLetters.list()).items
    const inNewYork = new Intl.DateTimeFormat('en-GB', { timeZone: 'America/New_York', timeStyle: 'medium' })
    expect(inNewYork.format(letter?.notBefore)).toMatch(/^(00|24):00:00$/)
  })

  it('asks for the token before each call, and refuses what is none', async () => {
    let current = 'pat-old'
    const hubspot = client({ accessToken: () => Promise.resolve(current) })
    await expect(hubspot.searchContacts({})).rejects.toMatchObject({ statusCode: 401 })
    current = token
    await hubspot.searchContacts({})
    current = ''
    await expect(hubspot.searchContacts({})).rejects.toThrow('`accessToken` must be a non-empty string')
    expect(fake.requests).toHaveLength(2)
  })

  it('does not follow a redirect, and sends no token after it', async () => {
    const other = await new FakeHubSpot(token).start()
    close.push(() => other.close())
    fake.faults = [{ instead: { status: 302, headers: { location: `${other.origin}/steal` } } }]
    await expect(client().request('/crm/v3/objects/contacts/1')).rejects.toMatchObject({ statusCode: 302 })
    fake.faults = [{ instead: { status: 302, headers: { location: `${other.origin}/steal` } } }]
    await expect(
      client({ retry: false }).request('/crm/v3/objects/contacts/1', { redirect: 'follow' }),
    ).rejects.toThrow(/only, got a request to/)
    expect(other.requests).toEqual([])
  })

  it('keeps a circuit for each credential, in a store that they share', async () => {
    const store = memoryStore()
    const one = client({
      store,
      retry: false,
      circuitBreaker: { failureThreshold: 1, timeoutMs: 60_000, maxWaitMs: 0 },
    })
    const two = client({ store, retry: false, accessToken: 'pat-other' })
    fake.faults = [{ instead: { status: 500 } }]
    await expect(one.searchContacts({})).rejects.toMatchObject({ statusCode: 500 })
    await expect(one.searchContacts({})).rejects.toMatchObject({ code: 'ERR_CIRCUIT_OPEN' })
    await expect(two.searchContacts({})).rejects.toMatchObject({ statusCode: 401 })
    expect(store.circuits.list().map(({ key }) => key.startsWith(`${fake.origin}#`))).toEqual([true, true])
  })

  it('ends at once when it is aborted in a wait', async () => {
    fake.faults = [{ instead: fake.limited(60_000) }]
    const abort = new AbortController()
    const call = client().searchContacts({}, { signal: abort.signal })
    const ended = expect(call).rejects.toMatchObject({ message: 'enough' })
    await vi.waitFor(() => expect(fake.limitsSent).toBe(1), 10_000)
    abort.abort(new Error('enough'))
    await ended
    expect(fake.requests).toHaveLength(1)
  })
})

describe('a replay by a client', () => {
  it('leaves the calls of another client with another name alone', async () => {
    const store = memoryStore()
    const one = client({ store, retry: false, integration: 'hubspot:one' })
    const two = client({ store, integration: 'hubspot:two' })
    fake.faults = [{ instead: { status: 500 } }]
    await expect(one.updateContact(1, {})).rejects.toMatchObject({ integration: 'hubspot:one' })
    await one.close()
    const ids = (await store.deadLetters.list()).items.map(({ id }) => id)
    expect(ids).toHaveLength(1)
    expect(await two.replay({ ids })).toMatchObject({ sent: 0 })
    expect(fake.requests).toHaveLength(1)
  })
})

describe('the HubSpot Agent', () => {
  it('gives any fetch the resilience of the preset', async () => {
    const agent = createHubSpotAgent({ baseUrl: fake.baseUrl })
    close.push(() => agent.close())
    fake.faults = [{ instead: fake.limited(50) }]
    const response = await fetch(`${fake.origin}/crm/v3/objects/contacts/search`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: '{}',
      dispatcher: agent,
    } as never)
    expect(response.status).toBe(200)
    expect(fake.requests).toHaveLength(2)
    expect(fake.early).toBe(0)
  })

  it('can be closed twice, and by a callback, as undici has it', async () => {
    const agent = createHubSpotAgent()
    await new Promise<void>((resolve) => agent.close(resolve))
    await agent.close()
    const other = createHubSpotAgent()
    await other.destroy()
  })
})
