import { Agent, request } from 'undici'

/** Sends calls with a timeout, says when they are on their way, and then what came of them. */

const url = process.argv[2]!
const calls = Number(process.argv[3])
const attemptTimeoutMs = Number(process.argv[4])
/** From source, or as it is installed. */
const { resilience } = (await import(process.argv[5]!)) as typeof import('undici-resilience')

const stack = resilience({ attemptTimeoutMs, retry: false })
const dispatcher = new Agent().compose(stack)
const sent = Promise.allSettled(
  Array.from({ length: calls }, async () => {
    const { statusCode, body } = await request(url, { dispatcher })
    await body.dump()
    return statusCode
  }),
)
const results = await sent
const outcomes = results.map((result) =>
  result.status === 'fulfilled' ? result.value : ((result.reason as { code?: string }).code ?? 'error'),
)
console.log(JSON.stringify({ outcomes, circuit: stack.circuits.state(new URL(url).origin).state }))
await stack.close()
await dispatcher.destroy()
