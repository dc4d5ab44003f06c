import assert from 'node:assert/strict'
import { it } from 'node:test'
import { http } from 'msw'
import { setupServer } from 'msw/node'
import { Agent, setGlobalDispatcher } from 'undici'
import { resilience } from 'undici-resilience'
import { quick } from './service.cjs'

it('retries what MSW 3 answers to the fetch of Node', async () => {
  const statuses = [503, 503, 200]
  const server = setupServer(
    http.get('http://api.example.com/contacts/1', () => new Response(null, { status: statuses.shift() })),
  )
  server.listen()
  const stack = resilience(quick)
  setGlobalDispatcher(new Agent().compose(stack))
  assert.equal((await fetch('http://api.example.com/contacts/1')).status, 200)
  assert.deepEqual(statuses, [])
  server.close()
  await stack.close()
})
