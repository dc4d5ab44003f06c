import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { INestApplication } from '@nestjs/common'
import { Test } from '@nestjs/testing'
import { ContactsModule } from './contacts.controller'
import { memoryStore, type ResilienceStore } from 'undici-resilience'
import { CONTACTS_URL, RESILIENCE_STORE } from './resilience.module'

describe('contacts', () => {
  let provider: Server
  let statuses: number[]
  let app: INestApplication
  let url: string
  let store: ResilienceStore

  beforeAll(async () => {
    provider = createServer((_request, response) => {
      response
        .writeHead(statuses.shift() ?? 200, { 'content-type': 'application/json' })
        .end('{"name":"Ada"}')
    })
    await once(provider.listen(0, '127.0.0.1'), 'listening')
    const baseUrl = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`
    const testing = await Test.createTestingModule({ imports: [ContactsModule] })
      .overrideProvider(CONTACTS_URL)
      .useValue(baseUrl)
      .overrideProvider(RESILIENCE_STORE)
      .useValue((store = memoryStore()))
      .compile()
    app = testing.createNestApplication()
    await app.listen(0, '127.0.0.1')
    url = await app.getUrl()
  })

  afterAll(async () => {
    await app.close()
    provider.closeAllConnections()
    provider.close()
  })

  it('hands a contact on, though the provider failed twice', async () => {
    statuses = [503, 503, 200]
    const answer = await fetch(`${url}/contacts/7`)
    expect([answer.status, await answer.json()]).toEqual([200, { name: 'Ada' }])
  })

  it('says what the provider refused', async () => {
    statuses = [404]
    const answer = await fetch(`${url}/contacts/8`)
    expect([answer.status, await answer.json()]).toMatchObject([502, { error: 'ERR_HTTP_STATUS' }])
  })

  it('keeps what finally failed, to send it again', async () => {
    statuses = Array.from({ length: 5 }, () => 503)
    const answer = await fetch(`${url}/contacts/9`)
    const { deadLetter } = (await answer.json()) as { deadLetter: string }
    expect(await store.deadLetters.get(deadLetter)).toMatchObject({ integration: 'contacts', attempts: 5 })
  })
})
