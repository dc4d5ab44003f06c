// One scene for every tool: two failures are retried, an outage opens the circuit, half a minute later it probes.
const assert = require('node:assert/strict')
const { MockAgent } = require('undici')
const { contactsApi, quick } = require('./service.cjs')

/** @param advance lets that many milliseconds pass on the clock that the tool has faked */
exports.playScene = async (advance) => {
  const mock = new MockAgent()
  mock.disableNetConnect()
  const api = mock.get('https://api.example.com')
  const { stack, find } = contactsApi(mock, quick)

  api.intercept({ path: '/contacts/1' }).reply(503).times(2)
  api.intercept({ path: '/contacts/1' }).reply(200, '{}')
  assert.equal(await find(1), 200)
  mock.assertNoPendingInterceptors()

  api.intercept({ path: '/contacts/2' }).reply(503).times(3)
  await find(2).catch(() => undefined)
  assert.equal(stack.circuits.state('https://api.example.com').state, 'open')
  await assert.rejects(find(2), ({ cause }) => cause.code === 'ERR_CIRCUIT_OPEN')

  await advance(30_000)
  api.intercept({ path: '/contacts/3' }).reply(200, '{}').times(2)
  assert.equal(await find(3), 200)
  assert.equal(await find(3), 200)
  assert.equal(stack.circuits.state('https://api.example.com').state, 'closed')

  await stack.close()
  await mock.close()
}
