import { Redis } from 'ioredis'
import { Agent, type Dispatcher } from 'undici'
import { redisStore } from '../../../../src/entries/redis.ts'
import { sayWhenSent } from '../../processes/sent-at.ts'
import { type Push, type Pushed, pushes } from './pushes.ts'

// One of two processes that push at one provider. Before a job it writes down that it began, behind it that it is done; what
// is begun and not done may have arrived, so that the provider is asked before it is sent again.

interface Order {
  readonly port: number
  readonly provider: Pushed
  readonly baseUrl: string
  readonly jobs: readonly number[]
  /** Whether this process goes on with what another one left. */
  readonly resumes: boolean
}

const { port, provider, baseUrl, jobs, resumes } = JSON.parse(process.argv[2] ?? '{}') as Order
sayWhenSent()
const push: Push = pushes[provider]
const redis = new Redis(port, '127.0.0.1')
const store = redisStore(redis)
const agent = new Agent({ connections: push.connections, pipelining: 1, allowH2: false })
/** When each request left the stack, by a clock that all processes of the machine have. */
const departures: number[] = []
const departing: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) => {
  departures.push(Number(process.hrtime.bigint()) / 1e6)
  return dispatch(options, handler)
}
const pushed = push.client({ baseUrl, store, dispatcher: agent.compose(departing) })
const begun = `begun:${provider}`
const done = `done:${provider}`
const report = { sent: 0, found: 0, held: 0, failed: 0, error: '', departures }

async function work(job: number): Promise<void> {
  if (resumes && (await redis.sismember(done, job)) === 1) return
  if (resumes && (await redis.sismember(begun, job)) === 1) {
    const arrived = await pushed.hasArrived(job)
    if (arrived !== false) {
      report[arrived === true ? 'found' : 'held'] += 1
      if (arrived === true) await redis.sadd(done, job)
      return
    }
  }
  await redis.sadd(begun, job)
  try {
    await pushed.push(job)
    report.sent += 1
    await redis.sadd(done, job)
  } catch (error) {
    report.failed += 1
    report.error = String(error)
  }
}

process.once('message', () => {
  void Promise.all(jobs.map(work)).then(async () => {
    await pushed.client.close()
    await agent.close()
    process.send?.(report)
    await store.close()
    redis.disconnect()
    process.disconnect()
  })
})
process.send?.('ready')
