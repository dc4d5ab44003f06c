import pino from 'pino'
import { Agent, setGlobalDispatcher } from 'undici'
import { resilience } from 'undici-resilience'
import { errorSerializer } from 'undici-resilience/pino'
import { startProvider } from './support/provider.ts'

const provider = await startProvider(503, { status: 429, headers: { 'retry-after': '1' } }, 200, 500)

// Every retry, trip, recovery and capture, with its context and without secrets. Any logger with info, warn and error.
const logger = pino({ serializers: { err: errorSerializer } })
const stack = resilience({
  integration: 'crm',
  logger: logger.child({ component: 'resilience' }),
  retry: { maxAttempts: 3, initialBackoffMs: 10 },
  // the count alone decides, whatever succeeds beside it
  circuitBreaker: { failureThreshold: 4, failureRate: 0 },
})
setGlobalDispatcher(new Agent().compose(stack))

const url = `${provider.url}/contacts/1?api_key=secret`
logger.info(`answered ${(await fetch(url)).status}`)
logger.info(`answered ${(await fetch(url)).status}`)

await stack.close()
await provider.close()
