// A handler of the Web's Request and Response, as Next.js, Hono and Remix have them. In Next.js put it into
// app/api/contacts/[id]/route.ts, make the dispatcher in a module of its own, and say `runtime = 'nodejs'`: the edge
// runtime has no undici.
import { Agent, fetch } from 'undici'
import { resilience } from 'undici-resilience'
import { startFlakyServer } from './flaky-server.mjs'

const provider = await startFlakyServer()

// development servers load modules again and again: one stack for all of them
const { dispatcher, stack } = (globalThis.contactsApi ??= make())

function make() {
  const stack = resilience({ integration: 'contacts', retry: { initialBackoffMs: 10 } })
  return { stack, dispatcher: new Agent().compose(stack) }
}

export const runtime = 'nodejs'

/** @param request the Web's Request */
export async function GET(request, { params }) {
  const { id } = await params
  const url = `${provider.url}/contacts/${encodeURIComponent(id)}`
  const answer = await fetch(url, { dispatcher, signal: request.signal })
  return Response.json(await answer.json(), { status: answer.status })
}

const request = new Request('http://localhost/api/contacts/7')
const answer = await GET(request, { params: Promise.resolve({ id: '7' }) })
console.log(`route handler: ${answer.status} after ${provider.asked} requests to the provider`)
await stack.close()
provider.close()
