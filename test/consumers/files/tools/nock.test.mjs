import assert from 'node:assert/strict'
import { it } from 'node:test'
import nock from 'nock'
import { contactsApi, quick } from './service.cjs'

it('retries what nock 15 answers', async () => {
  nock.disableNetConnect()
  nock('https://api.example.com').get('/contacts/1').twice().reply(503)
  nock('https://api.example.com').get('/contacts/1').reply(200, '{}')
  const { stack, find } = contactsApi(undefined, quick)
  assert.equal(await find(1), 200)
  assert.equal(nock.isDone(), true)
  await stack.close()
  nock.restore()
})
