import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

// Reads what comes and answers 200 with 100 bytes; ends with its parent.
const answer = Buffer.alloc(100, 'x')
const server = createServer((incoming, response) => {
  incoming.resume()
  incoming.on('end', () => response.writeHead(200, { 'content-length': answer.length }).end(answer))
})
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.on('disconnect', () => process.exit())
