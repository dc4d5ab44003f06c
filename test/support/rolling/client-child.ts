import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, type Dispatcher, interceptors, request } from 'undici'
import { resilience } from '../../../src/index.ts'

export type Subject = 'our stack' | 'undici retry' | 'bare undici'

export interface RollingReport {
  calls: number
  /** Of calls that may be repeated, and of POSTs, which may not. */
  lost: { repeatable: number; post: number }
  codes: Record<string, number>
  slowestMs: number
}

/** A busy one calls once a second; with three subjects side by side, two cores have little more to give. */
const QUIET = { clients: 20, everyMs: 3_000 }
const BUSY = { clients: 200, everyMs: 1_000 }

const [, , subject, url = ''] = process.argv as unknown as [string, string, Subject, string?]
const report: RollingReport = { calls: 0, lost: { repeatable: 0, post: 0 }, codes: {}, slowestMs: 0 }
const running = new Set<Promise<void>>()
let calling = true
let begun = 0

/** Each client as a process of its own has it: connections, circuit and line. */
function makeClient(): Dispatcher {
  const agent = new Agent({ connections: 4 })
  if (subject === 'bare undici') return agent
  return agent.compose(subject === 'our stack' ? resilience() : interceptors.retry())
}

async function call(dispatcher: Dispatcher): Promise<void> {
  const dice = Math.random()
  const method = dice < 0.8 ? 'GET' : dice < 0.9 ? 'PUT' : 'POST'
  const startedAt = performance.now()
  report.calls += 1
  try {
    const { statusCode, body } = await request(url, {
      dispatcher,
      method,
      ...(method === 'GET' ? {} : { body: 'an order' }),
    })
    await body.text()
    if (statusCode !== 200) throw Object.assign(new Error('status'), { code: String(statusCode) })
  } catch (error) {
    report.lost[method === 'POST' ? 'post' : 'repeatable'] += 1
    const { code = 'none' } = error as { code?: string }
    report.codes[code] = (report.codes[code] ?? 0) + 1
  }
  report.slowestMs = Math.max(report.slowestMs, Math.round(performance.now() - startedAt))
}

async function live({ everyMs }: { everyMs: number }): Promise<void> {
  const dispatcher = makeClient()
  await sleep(Math.random() * everyMs)
  await call(dispatcher)
  if (++begun === QUIET.clients + BUSY.clients) process.send?.('ready')
  while (calling) {
    const made: Promise<void> = call(dispatcher).finally(() => running.delete(made))
    running.add(made)
    await sleep(everyMs * (0.5 + Math.random()))
  }
}

if (process.send !== undefined) {
  const lives = [QUIET, BUSY].flatMap((kind) => Array.from({ length: kind.clients }, () => live(kind)))
  process.once('message', () => {
    calling = false
    void (async () => {
      await Promise.all(lives)
      await Promise.all(running)
      process.send?.(report, () => process.exit(0))
    })()
  })
  process.once('disconnect', () => process.exit(0))
}
