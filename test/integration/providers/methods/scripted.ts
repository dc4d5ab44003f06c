import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import type { ProviderClient } from '../../../../src/providers/hubspot.ts'

interface Asked {
  method: string
  /** With its query. */
  path: string
  headers: Record<string, unknown>
  body: unknown
}

/** One typed method: what it sends, what it makes of the answer, and whether it goes again after a 500. */
export interface MethodCase<Client> {
  call: (client: Client) => Promise<unknown>
  /** `PUT /crm/...`, with the query. */
  sends: string
  body?: unknown
  headers?: Record<string, string>
  /** The answer; a number is a status without a body. */
  answer?: unknown
  gives?: unknown
  repeatable: boolean
}

/** Makes the calls at a server that answers as it is told: the first time with a 500. */
export function methods<Client extends ProviderClient>(
  make: (options: object) => Client,
  cases: Record<string, MethodCase<Client>>,
): void {
  it.concurrent.each(Object.entries(cases))('%s', async (_name, one) => {
    const asked: Asked[] = []
    const server = createServer((request, response) => void serve(request, response))
    async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
      let text = ''
      for await (const chunk of request) text += String(chunk)
      asked.push({
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: text === '' ? undefined : (JSON.parse(text) as unknown),
      })
      if (asked.length === 1) response.writeHead(500, { 'content-type': 'text/html' }).end('<h1>Oops</h1>')
      else if (typeof one.answer === 'number') response.writeHead(one.answer).end()
      else {
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(one.answer ?? {}))
      }
    }
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const client = make({ baseUrl, retry: { initialBackoffMs: 1, jitter: 'none' }, rateLimit: false })
    try {
      const first = one.call(client)
      if (one.repeatable) await first
      else {
        await expect(first).rejects.toMatchObject({ statusCode: 500, attempts: 1 })
        expect(asked).toHaveLength(1)
      }
      const result = one.repeatable ? await first : await one.call(client)
      if ('gives' in one) expect(result).toEqual(one.gives)
      expect(asked).toHaveLength(2)
      for (const { method, path, body, headers } of asked) {
        expect(`${method} ${path}`).toBe(one.sends)
        expect(body).toEqual(one.body)
        expect(headers).toMatchObject(one.headers ?? {})
      }
    } finally {
      await client.close()
      server.close()
    }
  })
}
