import { Agent, request } from 'undici'
import { rateLimit } from '../../../src/rate-limit/interceptor.ts'
import { sayWhenSent } from '../processes/sent-at.ts'
import { type FleetPlace, fleetServer } from './fleet-server.ts'

// One process of a fleet that shares a rate limit: makes calls as its parent says, and tells what came of them.

const { place, provider, options, perSecond } = JSON.parse(process.argv[2] ?? '{}') as {
  place: FleetPlace
  provider: string
  options: object
  perSecond: number
}
sayWhenSent()
const { store } = fleetServer(place, {})
const limit = rateLimit({ ...options, store })
const dispatcher = new Agent({ connections: 50 }).compose(limit)
const report = { served: 0, limited: 0, refused: 0, waits: [] as number[] }

async function call(): Promise<void> {
  const start = performance.now()
  try {
    const { statusCode, body } = await request(provider, { dispatcher })
    await body.dump()
    report[statusCode === 200 ? 'served' : 'limited'] += 1
    report.waits.push(Math.round(performance.now() - start))
  } catch {
    report.refused += 1
  }
}

let stopped = false
function next(): void {
  setTimeout(
    () => {
      if (stopped) return
      void call()
      next()
    },
    (-Math.log(1 - Math.random()) / perSecond) * 1_000,
  )
}
next()

process.on('message', (message: 'report' | 'stop') => {
  if (message === 'stop') stopped = true
  process.send?.({ ...report, state: limit.limits.state(provider) })
})
process.send?.('ready')
