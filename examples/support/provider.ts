import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A status, a status with headers, a connection that is cut after the request was carried out, or no answer. */
export type Reply = number | { status: number; headers: Record<string, string> } | 'reset' | 'silence'

export interface FakeProvider {
  readonly url: string
  /** What came, in order. */
  readonly received: { method: string; path: string; headers: IncomingHttpHeaders; body: string }[]
  /** Answers with these in turn; the last one stays. */
  answer(...replies: Reply[]): void
  close(): Promise<void>
}

/** A provider on this machine that answers as the example needs it. */
export async function startProvider(...replies: Reply[]): Promise<FakeProvider> {
  const received: FakeProvider['received'] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
    request.on('error', () => undefined)
    request.on('end', () => {
      received.push({ method: request.method ?? '', path: request.url ?? '', headers: request.headers, body })
      const reply = (replies.length > 1 ? replies.shift() : replies[0]) ?? 200
      if (reply === 'silence') return
      if (reply === 'reset') {
        request.socket.resetAndDestroy()
        return
      }
      const { status, headers } = typeof reply === 'number' ? { status: reply, headers: {} } : reply
      response.writeHead(status, { 'content-type': 'application/json', ...headers })
      response.end(JSON.stringify({ ok: status < 400 }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    answer: (...next) => void (replies = next),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
