import { isError } from '../../errors.ts'
import type { Scheduler } from '../../time/clock.ts'
import type { Limit, LimitRule } from '../limit.ts'
import type { Limiter } from '../limiter.ts'
import { type LimitLink, LimitRegistry } from '../registry.ts'
import type { LimiterPolicy } from '../store.ts'
import type { LimitBackend, LimitMessage, LimitRequest } from './backend.ts'
import { SharedLimit, type SharedLimitHost } from './shared-limit.ts'

/** Exchanges that are made in one batch. */
const CHUNK = 100
/** Cool-downs that are kept to be told when the store is back. */
const MAX_UNTOLD = 1_000

/**
 * The client's side of limits and cool-downs that processes share, over any backend. Limits have permits ahead of use;
 * cool-downs are pushed, and read whenever a push may have been missed. While the backend is out of reach each limit goes
 * on with its share, and a cool-down holds in this process.
 */
export class SharedLimits implements LimitLink, SharedLimitHost {
  readonly by: string
  readonly #backend: LimitBackend
  readonly #scheduler: Scheduler
  readonly #registry: LimitRegistry
  readonly #limits = new Map<string, { readonly limit: SharedLimit; readonly limiter: Limiter }>()
  /** The key of each id that was asked for here: an id may be a hash. */
  readonly #keys = new Map<string, string>()
  /** Cool-downs, and ends of them (0), that the others have not been told of: until when. */
  readonly #untold = new Map<string, number>()
  /** When a cool-down began here, or was heard of: one that was ended before has nothing to do with it. */
  readonly #began = new Map<string, number>()
  /** When a cool-down was ended here, or heard to be: what was read before knows nothing of it. */
  readonly #ended = new Map<string, number>()
  readonly #soon = new Set<SharedLimit>()
  readonly #underWay = new Set<Promise<unknown>>()
  #closed = false

  /** @param by this process */
  constructor(backend: LimitBackend, scheduler: Scheduler, by: string) {
    this.by = by
    this.#backend = backend
    this.#scheduler = scheduler
    this.#registry = new LimitRegistry(scheduler, this)
  }

  /** What stacks use. */
  get store(): LimitRegistry {
    return this.#registry
  }

  makeLimit(key: string, rule: LimitRule, limiter: Limiter, { processes }: LimiterPolicy): Limit {
    const id = this.#idOf(key)
    const name = this.#nameOf(id, rule)
    const limit = new SharedLimit({ id, name, rule, processes }, this, this.#registry.scheduler)
    this.#limits.set(`${id} ${name}`, { limit, limiter })
    return limit
  }

  cooled(key: string, ms: number): void {
    if (this.#closed) return
    const until = this.#scheduler.now() + ms
    this.#begins(key)
    const told = this.#backend.cool(this.#idOf(key), ms).then((left) => {
      // another process was told a longer one
      if (left > ms + 1) this.#registry.heardCooldown(key, left)
    })
    this.#track(told.catch(() => this.#tellLater(key, until)))
  }

  cleared(key: string): void {
    if (this.#closed) return
    this.#untold.delete(key)
    this.#ends(key)
    this.#track(this.#backend.clear(this.#idOf(key)).catch(() => this.#tellLater(key, 0)))
  }

  exchangeSoon(limit: SharedLimit): void {
    if (this.#closed) return
    this.#soon.add(limit)
    // limits that are asked for in one turn go in one batch
    if (this.#soon.size === 1) queueMicrotask(() => this.#exchange())
  }

  changed(limit: SharedLimit): void {
    this.#limits.get(`${limit.id} ${limit.name}`)?.limiter.pump()
  }

  closed(limit: SharedLimit): void {
    const key = `${limit.id} ${limit.name}`
    if (this.#limits.get(key)?.limit === limit) this.#limits.delete(key)
  }

  /** Commands can be sent, or again. */
  connected(): void {
    if (this.#closed) return
    const untold = [...this.#untold]
    this.#untold.clear()
    for (const [key, until] of untold) {
      const ms = Math.ceil(until - this.#scheduler.now())
      if (until === 0) this.cleared(key)
      else if (ms > 0) this.cooled(key, ms)
    }
    for (const { limit } of this.#limits.values()) limit.exchange.reconnected()
  }

  /** Messages arrive from now on; what came of cool-downs before may have been missed. */
  subscribed(): void {
    if (this.#closed) return
    for (const { limit } of this.#limits.values()) limit.exchange.subscribed()
    const askedAt = this.#scheduler.now()
    this.#track(
      this.#backend.cooling().then((all) => {
        for (const { id, ms, endedAgoMs } of all) {
          const key = this.#keyOf(id)
          if (endedAgoMs === undefined) {
            if ((this.#ended.get(key) ?? -Infinity) < askedAt) this.#heard(key, ms)
          } else if ((this.#began.get(key) ?? -Infinity) < askedAt - endedAgoMs) {
            // once: it is told again at each look
            this.#begins(key)
            this.#registry.heardClear(key)
          }
        }
      }),
    )
  }

  pushed(message: LimitMessage): void {
    if (this.#closed) return
    if (message.kind === 'cool') this.#heard(this.#keyOf(message.id), message.ms)
    else if (message.kind === 'clear') {
      const key = this.#keyOf(message.id)
      this.#ends(key)
      this.#registry.heardClear(key)
    } else this.#limits.get(`${message.id} ${message.name}`)?.limit.exchange.heard(message.kind)
  }

  async flush(): Promise<void> {
    await Promise.all([...this.#underWay])
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const requests: LimitRequest[] = []
    for (const { limit } of this.#limits.values()) {
      // what is held goes to others at once, and not when its lease lapses
      const request = limit.hasNews ? limit.exchange.request(true) : undefined
      if (request !== undefined) requests.push(request)
    }
    if (requests.length > 0) await this.#backend.exchange(requests)
    await this.flush()
  }

  #heard(key: string, ms: number): void {
    // what is heard again has not begun anew
    if (this.#registry.state(key).retryAfterMs === 0) this.#begins(key)
    this.#registry.heardCooldown(key, ms)
  }

  #begins(key: string): void {
    this.#note(this.#began, key)
  }

  #ends(key: string): void {
    this.#note(this.#ended, key)
  }

  #note(times: Map<string, number>, key: string): void {
    times.delete(key)
    times.set(key, this.#scheduler.now())
    if (times.size > MAX_UNTOLD) times.delete(times.keys().next().value!)
  }

  /** In an outage of the store too what is kept is bounded: a provider tells the others by itself. */
  #tellLater(key: string, until: number): void {
    const known = this.#untold.get(key)
    if (known === undefined && this.#untold.size >= MAX_UNTOLD) return
    // a shorter one takes nothing back; an end does
    this.#untold.set(key, until === 0 ? 0 : Math.max(until, known ?? 0))
  }

  #exchange(): void {
    const limits = [...this.#soon]
    this.#soon.clear()
    for (let from = 0; from < limits.length; from += CHUNK) this.#send(limits.slice(from, from + CHUNK))
  }

  #send(limits: readonly SharedLimit[]): void {
    const sentAt = this.#scheduler.now()
    const sent = limits.flatMap((limit) => {
      const request = limit.exchange.request()
      return request === undefined ? [] : [{ limit, request }]
    })
    if (sent.length === 0) return
    this.#track(
      this.#backend.exchange(sent.map(({ request }) => request)).then((replies) => {
        sent.forEach(({ limit, request }, at) => {
          const reply = replies[at] ?? new Error('no reply')
          if (isError(reply)) limit.exchange.failed(sentAt)
          else limit.exchange.answered(request, reply, sentAt)
        })
      }),
    )
  }

  /** Work that `close` has to wait for. */
  #track(task: Promise<unknown>): void {
    const tracked: Promise<unknown> = task
      .catch(() => undefined)
      .finally(() => this.#underWay.delete(tracked))
    this.#underWay.add(tracked)
  }

  #idOf(key: string): string {
    const id = this.#backend.idOf(key)
    if (id !== key && this.#keys.size < CHUNK * CHUNK) this.#keys.set(id, key)
    return id
  }

  #keyOf(id: string): string {
    return this.#keys.get(id) ?? id
  }

  /** What a limit is called among those of its key: the same in all processes, whatever their order. */
  #nameOf(id: string, { intervalMs, cost }: LimitRule): string {
    const base = cost === undefined ? String(intervalMs) : `${intervalMs}c`
    let name = base
    for (let count = 2; this.#limits.has(`${id} ${name}`); count++) name = `${base}-${count}`
    return name
  }
}
