import http from 'node:http'
import type { AddressInfo } from 'node:net'

/** A pod: answers after 5 to 25 ms. On SIGTERM it takes no new connections, ends what it has in hand, and exits. */
let ending = false
const server = http.createServer((request, response) => {
  request.resume()
  request.on('end', () => {
    const answer = (): void => void response.writeHead(200, ending ? { connection: 'close' } : {}).end('ok')
    setTimeout(answer, 5 + Math.random() * 20)
  })
})
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.once('SIGTERM', () => {
  ending = true
  server.close(() => process.exit(0))
  server.closeIdleConnections()
})
process.once('disconnect', () => process.exit(0))
