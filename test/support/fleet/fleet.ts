import { type ChildProcess, fork } from 'node:child_process'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { CircuitSnapshot } from '../../../src/circuit/store.ts'
import type { CircuitChangedEvent } from '../../../src/telemetry/channels.ts'
import type { FleetPlace } from './fleet-server.ts'

export interface FleetSettings {
  readonly place: FleetPlace
  /** The provider's origin: the circuit's key. */
  readonly provider: string
  readonly breaker: object
  readonly store: object
}

export interface FleetCommand {
  readonly type:
    | 'calls'
    | 'burst'
    | 'settled'
    | 'state'
    | 'report'
    | 'isolate'
    | 'reset'
    | 'deaf'
    | 'listen'
    | 'publish'
    | 'close'
  readonly everyMs?: number
  readonly count?: number
}

export interface FleetReport {
  ok: number
  failed: number
  refused: number
  /** Errors of calls that are neither the provider's nor the circuit's: there must be none. */
  unexpected: string[]
  slowestMs: number
}

interface FleetEvent {
  /** Microseconds since 1970, by the host's clock. */
  readonly at: number
  readonly event: CircuitChangedEvent
}

/** One real process. */
class FleetProcess {
  readonly child: ChildProcess
  readonly events: FleetEvent[] = []
  readonly degradations: { at: number; degraded: boolean; error: string }[] = []
  /** How long bare messages took from the server to this process, in milliseconds. */
  readonly messages: number[] = []
  readonly #waiting = new Map<number, (reply: unknown) => void>()
  readonly started: Promise<void>
  #ids = 0

  constructor(settings: FleetSettings & { skewMs?: number }) {
    const path = fileURLToPath(new URL('./fleet-child.ts', import.meta.url))
    const register = new URL('../register.ts', import.meta.url).href
    this.child = fork(path, [JSON.stringify(settings)], {
      execArgv: ['--import', register],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.started = new Promise((resolve, reject) => {
      this.child.once('exit', (code) => reject(new Error(`a process of the fleet ended with ${code}`)))
      this.child.on('message', (message: { type: string; id?: number; reply?: unknown }) => {
        if (message.type === 'started') resolve()
        else if (message.type === 'circuit') this.events.push(message as unknown as FleetEvent)
        else if (message.type === 'message') {
          this.messages.push((message as unknown as { micros: number }).micros / 1_000)
        } else if (message.type === 'store') {
          this.degradations.push(message as unknown as (typeof this.degradations)[number])
        } else if (message.type === 'reply') {
          this.#waiting.get(message.id ?? -1)?.(message.reply)
          this.#waiting.delete(message.id ?? -1)
        }
      })
    })
    this.started.catch(() => undefined)
  }

  ask<T>(command: FleetCommand): Promise<T> {
    const id = ++this.#ids
    const reply = new Promise<T>((resolve) => this.#waiting.set(id, resolve as (reply: unknown) => void))
    this.child.send({ ...command, id })
    return reply
  }

  state(): Promise<CircuitSnapshot> {
    return this.ask({ type: 'state' })
  }

  report(): Promise<FleetReport> {
    return this.ask({ type: 'report' })
  }

  async close(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const ended = new Promise((resolve) => this.child.once('exit', resolve))
    this.child.send({ type: 'close', id: 0 })
    const late = setTimeout(() => this.child.kill('SIGKILL'), 5_000)
    await ended
    clearTimeout(late)
  }
}

export class Fleet {
  readonly processes: FleetProcess[]

  private constructor(processes: FleetProcess[]) {
    this.processes = processes
  }

  /** Starts processes and waits until each has the store's view. `skews` are clock errors of the first ones. */
  static async start(size: number, settings: FleetSettings, skews: readonly number[] = []): Promise<Fleet> {
    const processes = Array.from({ length: size }, (_one, at) => {
      const skewMs = skews[at]
      return new FleetProcess(skewMs === undefined ? settings : { ...settings, skewMs })
    })
    const fleet = new Fleet(processes)
    await Promise.all(processes.map(({ started }) => started))
    await fleet.until((states) => states.every(({ degraded, epoch }) => !degraded && epoch > 0), 10_000)
    return fleet
  }

  all(command: FleetCommand): Promise<unknown[]> {
    return Promise.all(this.processes.map((process) => process.ask(command)))
  }

  states(): Promise<CircuitSnapshot[]> {
    return Promise.all(this.processes.map((process) => process.state()))
  }

  /** Waits until the states of all processes please `check`. Returns how long that took, in milliseconds. */
  async until(
    check: (states: CircuitSnapshot[]) => boolean | Promise<boolean>,
    timeoutMs: number,
  ): Promise<number> {
    const start = performance.now()
    for (;;) {
      const states = await this.states()
      if (await check(states)) return performance.now() - start
      if (performance.now() - start > timeoutMs) {
        throw new Error(`not within ${timeoutMs} ms: ${JSON.stringify(states)}`)
      }
      await sleep(5)
    }
  }

  untilAll(state: CircuitSnapshot['state'], timeoutMs = 10_000): Promise<number> {
    return this.until((states) => states.every((one) => one.state === state), timeoutMs)
  }

  async reports(): Promise<FleetReport[]> {
    return Promise.all(this.processes.map((process) => process.report()))
  }

  async close(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.close()))
  }
}

/** A provider that counts how many requests it has in hand. */
export interface CountingProvider {
  readonly origin: string
  /** What it answers now, and after how long. */
  answer: (request: number) => { status: number; afterMs: number } | 'never'
  inHand: number
  requests: number
  close(): Promise<void>
}

export async function startCountingProvider(): Promise<CountingProvider> {
  const server = createServer((_request, response: ServerResponse) => {
    provider.requests += 1
    provider.inHand += 1
    let over = false
    const end = (): void => {
      if (!over) provider.inHand -= 1
      over = true
    }
    response.on('close', end)
    const answer = provider.answer(provider.requests)
    if (answer === 'never') return
    const reply = (): void => {
      // no longer in hand once it is answered: the next request may come before `close`
      end()
      response.writeHead(answer.status).end('x')
    }
    if (answer.afterMs === 0) reply()
    else setTimeout(reply, answer.afterMs)
  })
  // longer than any test: one that expires while this process stands still cuts off a request that waits to be read
  server.keepAliveTimeout = 600_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const provider: CountingProvider = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answer: () => ({ status: 200, afterMs: 0 }),
    inHand: 0,
    requests: 0,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return provider
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
}
