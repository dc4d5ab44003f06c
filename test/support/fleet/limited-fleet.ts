import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Agent, request } from 'undici'
import {
  type LimitSnapshot,
  rateLimit,
  type RateLimitInterceptor,
  type RateLimitInterceptorOptions,
} from '../../../src/rate-limit/interceptor.ts'
import type { ResilienceStore } from '../../../src/store.ts'
import { departuresTo } from '../calls/departures.ts'

/** A machine that others keep busy is no store that is away, with which each process would go on alone. */
export const patient = { commandTimeoutMs: 5_000 }

/** One process of several. */
export interface FleetProcess<Store extends ResilienceStore> {
  readonly store: Store
  readonly limit: RateLimitInterceptor
  readonly call: () => Promise<number>
  readonly state: () => LimitSnapshot
}

/** A provider, and the processes that call it: all in this one, each with a store and connections of its own. */
export class LimitedFleet {
  url = ''
  /** When requests came to the provider. */
  readonly arrived: number[] = []
  answer: () => { status: number; headers?: Record<string, string> } = () => ({ status: 200 })
  readonly #ends: (() => unknown)[] = []

  async start(): Promise<this> {
    const provider = createServer((_request, response) => {
      this.arrived.push(performance.now())
      const { status, headers } = this.answer()
      response.writeHead(status, headers).end()
    })
    await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`
    this.atEnd(() => {
      provider.closeAllConnections()
      provider.close()
    })
    return this
  }

  /** @param endClient ends the connections of the store */
  join<Store extends ResilienceStore>(
    options: RateLimitInterceptorOptions,
    store: Store,
    endClient: () => unknown,
  ): FleetProcess<Store> {
    const limit = rateLimit({ ...options, store })
    const dispatcher = new Agent().compose(limit)
    this.atEnd(async () => {
      await limit.close()
      await store.close()
      await endClient()
      await dispatcher.destroy()
    })
    const call = async (): Promise<number> => {
      const { statusCode, body } = await request(this.url, { dispatcher })
      await body.dump()
      return statusCode
    }
    return { store, limit, call, state: () => limit.limits.state(this.url) }
  }

  /** When calls go from now on. */
  departures(): readonly number[] {
    const { at, stop } = departuresTo(() => this.url)
    this.atEnd(stop)
    return at
  }

  atEnd(end: () => unknown): void {
    this.#ends.push(end)
  }

  async end(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end()
  }
}
