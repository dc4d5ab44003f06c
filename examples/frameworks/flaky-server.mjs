import { once } from 'node:events'
import { createServer } from 'node:http'

/** A provider on this machine: answers 503 to every first and second of three requests. */
export async function startFlakyServer(body = '{"ok":true}') {
  let asked = 0
  const server = createServer((_request, response) => {
    const status = ++asked % 3 === 0 ? 200 : 503
    response.writeHead(status, { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch' })
    response.end(status === 200 ? body : '{}')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    get asked() {
      return asked
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
