import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { INestApplication } from '@nestjs/common'
import { Test } from '@nestjs/testing'
import { ContactsModule } from './contacts.controller'
import { CONTACTS_URL } from './resilience.module'

describe('contacts', () => {
  let provider: Server
  let statuses: number[]
  let app: INestApplication
  let url: string

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
})
