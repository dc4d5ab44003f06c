// What an application's tests do with the package, in whatever runner: `entries` are those of the package as the runner
// loads them, `required` the same as `require` gives them, where that is another way.
const { createServer } = require('node:http')
const { once } = require('node:events')
const { deepEqual, equal, ok } = require('node:assert/strict')

exports.suite = (runner, entries, required, undici) => {
  const { describe, it } = runner
  const { root, sqlite, hubspot, contracts } = entries

  describe('undici-resilience in this runner', () => {
    it('retries, and keeps what finally failed', async () => {
      let asked = 0
      const server = createServer((_received, response) =>
        response.writeHead(++asked === 3 ? 200 : 503).end(),
      )
      await once(server.listen(0, '127.0.0.1'), 'listening')
      const url = `http://127.0.0.1:${server.address().port}`
      const store = sqlite.sqliteStore(':memory:')
      const stack = root.resilience({ store, retry: { maxAttempts: 3, initialBackoffMs: 1 } })
      const dispatcher = new undici.Agent().compose(stack)
      equal((await undici.fetch(url, { dispatcher })).status, 200)
      equal((await fetch(url, { dispatcher })).status, 503)
      const { items } = await stack.deadLetters.list()
      deepEqual(
        items.map(({ reason }) => reason),
        ['exhausted'],
      )
      await stack.close()
      await store.close()
      server.closeAllConnections()
      server.close()
    })

    it('is one instance, whichever way and through whichever entry it is loaded', async () => {
      for (const [name, entry] of Object.entries(entries)) {
        for (const exported of Object.keys(entry)) {
          if (exported === 'default' || exported === 'module.exports' || exported === '__esModule') continue
          ok(entry[exported] === required[name][exported], `${exported} of ${name}`)
        }
      }
      const server = createServer((_received, response) => response.writeHead(404).end('{}'))
      await once(server.listen(0, '127.0.0.1'), 'listening')
      const baseUrl = `http://127.0.0.1:${server.address().port}`
      const client = hubspot.createHubSpotClient({ accessToken: 'x', baseUrl })
      const error = await client.request('/crm/v3/objects/contacts/1').catch((thrown) => thrown)
      ok(error instanceof required.root.IntegrationError, String(error))
      await client.close()
      server.closeAllConnections()
      server.close()
    })
  })

  contracts.deadLetterStoreContract(
    runner,
    'memory',
    (retention) => {
      const { deadLetters: store } = root.memoryStore({ deadLetters: { maxRecords: 20_000, ...retention } })
      return Promise.resolve({
        store,
        advance: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
        other: () => Promise.resolve(store),
        dispose: () => store.close(),
      })
    },
    { keptAs: 'objects', leaseMs: 100 },
  )
}
