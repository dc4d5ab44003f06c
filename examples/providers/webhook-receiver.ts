import { createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { verifyCalendlyWebhook, WebhookSignatureError } from 'undici-resilience/providers/calendly'

// Both while the key is rotated: what either signed is accepted.
const signingKey = ['new-key', 'old-key']
const kept = new Map<string, unknown>()

/** Verifies what comes in, keeps it once under its key, and answers at once; the work is done later. */
const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  let bytes = 0
  request.on('error', () => undefined)
  request.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    bytes += chunk.byteLength
    // before the signature is checked it may be anybody
    if (bytes > 1_048_576) request.destroy()
  })
  request.on('end', () => {
    // the bytes as they came: a body that was parsed and written again has another signature
    const body = Buffer.concat(chunks)
    try {
      verifyCalendlyWebhook({ headers: request.headers, body }, { signingKey })
    } catch (error) {
      const reason = error instanceof WebhookSignatureError ? error.reason : 'error'
      response.writeHead(reason === 'error' ? 500 : 401).end(reason)
      return
    }
    const delivery = JSON.parse(body.toString()) as { event: string; payload: { uri: string } }
    const key = `${delivery.event} ${delivery.payload.uri}`
    const isNew = !kept.has(key)
    kept.set(key, delivery)
    response.end(isNew ? 'kept' : 'known already')
  })
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks/calendly`

/** What Calendly does. */
async function deliver(key: string, ageS = 0, change = ''): Promise<string> {
  const body = JSON.stringify({ event: 'invitee.created', payload: { uri: 'https://api.calendly.com/x/1' } })
  const t = Math.floor(Date.now() / 1000) - ageS
  const signature = createHmac('sha256', key).update(`${t}.${body}`).digest('hex')
  const headers = { 'calendly-webhook-signature': `t=${t},v1=${signature}` }
  const response = await fetch(url, { method: 'POST', headers, body: body + change })
  return `${response.status} ${await response.text()}`
}

console.log(`signed with the new key: ${await deliver('new-key')}`)
console.log(`again, with the old one: ${await deliver('old-key')}`)
console.log(`with a key of a stranger: ${await deliver('my-key')}`)
console.log(`with another body: ${await deliver('new-key', 0, ' ')}`)
console.log(`an hour later: ${await deliver('new-key', 3_600)}`)
server.close()
