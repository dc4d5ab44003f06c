import type { Scheduler } from '../../time/clock.ts'
import { Strain } from '../../time/strain.ts'
import type { Admission, Probe } from '../admission.ts'
import type { ChangeLog } from '../change-log.ts'
import type { Circuit } from '../circuit.ts'
import type { ControlAction, ProbeResult } from '../machine/machine.ts'
import type { CircuitPolicy } from '../machine/policy.ts'
import type { View } from '../machine/state.ts'
import { CircuitRegistry } from '../registry.ts'
import type { CircuitSnapshot, CircuitStore, CircuitStoreChange } from '../store.ts'
import type { CircuitBackend } from './backend.ts'
import { CatchUp } from './catch-up.ts'
import { Exchange, makeRequest } from './exchange.ts'
import { FlushQueue, inChunks } from './flush-queue.ts'
import type { CircuitLink } from './link.ts'
import { SharedProbes } from './probes.ts'
import { PushedViews } from './pushed-views.ts'
import { SharedState } from './shared-state.ts'
import { StoreHealth } from './store-health.ts'

export interface SharedCircuitsSettings {
  /** What `storeDegraded` events call the store. */
  readonly name: string
  readonly flushIntervalMs: number
  readonly pollIntervalMs: number
  readonly maxCircuits: number
  readonly leaseMs: number
  /** This process; default random. */
  readonly by?: string
  /** Milliseconds since 1970 at `scheduler.now() === 0`, by this process's clock. */
  readonly offset: number
  /**
   * Resets in the store what is not closed beneath the key of an origin, also what this process has not used. Absent
   * where the store has no directory.
   */
  readonly resetBeneath?: (key: string) => Promise<void>
  /** Ends what the adapter opened; called once, by `close`. */
  readonly release?: () => void
}

/** How far ahead of the server's clock, as known here, an epoch may be. */
const FUTURE_MS = 30_000

/**
 * The client's side of circuits that processes share, over any backend. Closed: results are counted here and flushed in
 * batches. Open: refused by a local deadline. Half-open: one request for a probe at a time. Views come with every reply,
 * by push, and by a poll. While the backend is out of reach each circuit goes on by itself.
 */
export class SharedCircuits implements CircuitStore, CircuitLink {
  readonly #backend: CircuitBackend
  readonly #settings: SharedCircuitsSettings
  readonly #scheduler: Scheduler
  readonly #registry: CircuitRegistry
  readonly #health: StoreHealth
  readonly #strain: Strain
  readonly #queue: FlushQueue
  readonly #catchUp: CatchUp
  readonly #probes: SharedProbes
  readonly #pushedViews: PushedViews
  readonly #exchange: Exchange
  readonly #fresh = new Set<Circuit>()
  #closed = false

  constructor(backend: CircuitBackend, settings: SharedCircuitsSettings, scheduler: Scheduler) {
    this.#backend = backend
    this.#settings = settings
    this.#scheduler = scheduler
    // two ticks are a poll interval: what is older than one at a tick is never older than two
    const tickMs = settings.pollIntervalMs / 2
    this.#registry = new CircuitRegistry({
      maxCircuits: settings.maxCircuits,
      clock: scheduler,
      offset: settings.offset,
      link: this,
      share: (key) => new SharedState(backend.idOf(key), !this.#health.connected || this.#closed, tickMs),
      evicted: (circuit) => this.#evicted(circuit),
      ...(settings.by === undefined ? {} : { by: settings.by }),
    })
    this.#pushedViews = new PushedViews(settings.maxCircuits)
    this.#health = new StoreHealth(settings.name, (event) => this.#registry.degraded(event))
    // a batch that takes longer than the time in which the next one is due
    this.#strain = new Strain(scheduler, settings.flushIntervalMs)
    this.#exchange = new Exchange(backend, scheduler, this.#registry, this.#health, this.#strain, {
      hasUnsent: (circuit) => this.#sendSoon(circuit),
      recovered: () => this.#catchUp.recovered(),
      failed: () => this.#catchUp.retryLater(),
    })
    this.#queue = new FlushQueue(scheduler, settings.flushIntervalMs, this.#strain, (circuits) =>
      this.#exchange.flush(circuits),
    )
    this.#catchUp = new CatchUp(scheduler, tickMs, this.#registry, this.#strain, this.#health, this.#exchange)
    this.#probes = new SharedProbes(backend, scheduler, this.#registry.by, this.#exchange)
  }

  circuit(key: string, policy: CircuitPolicy, log?: ChangeLog): Circuit {
    const known = this.#registry.find(key)
    if (known?.claimed === true) {
      if (log !== undefined && log !== known.logs.last) known.logs.add(log)
      return known
    }
    return this.#introduce(this.#registry.circuit(key, { ...policy, leaseMs: this.#settings.leaseMs }, log))
  }

  state(key: string): CircuitSnapshot {
    return this.#registry.state(key)
  }

  list(): CircuitSnapshot[] {
    return this.#registry.list()
  }

  async isolate(key: string): Promise<void> {
    await this.#control(key, 'isolate')
  }

  async forceClose(key: string): Promise<void> {
    await this.#control(key, 'force-close')
  }

  async reset(key: string): Promise<void> {
    const circuit = await this.#control(key, 'reset')
    await Promise.all([...circuit.beneath].map((one) => this.#control(one.key, 'reset')))
    if (circuit.beneath.size === 0 || !this.#health.connected || this.#closed) return
    try {
      await this.#settings.resetBeneath?.(circuit.key)
    } catch (error) {
      const reason = `what only other processes use of ${circuit.key} may not be reset: ${(error as Error).message}`
      process.emitWarning(reason, 'ResilienceWarning')
    }
  }

  onChange(listener: (change: CircuitStoreChange) => void): () => void {
    return this.#registry.onChange(listener)
  }

  async flush(): Promise<void> {
    // also what rests
    for (const circuit of this.#registry.values()) {
      if (circuit.shared?.hasPending === true) this.#queue.add(circuit)
    }
    this.#queue.flush()
    await this.#exchange.settled()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    await this.flush()
    this.#closed = true
    this.#exchange.close()
    this.#queue.stop()
    this.#catchUp.stop()
    for (const { shared } of this.#registry.values()) if (shared !== undefined) shared.degraded = true
    this.#settings.release?.()
  }

  /** The adapter says that commands can be sent now, or again: every circuit is brought up to date. */
  connected(): void {
    const { lost } = this.#health
    this.#health.connection(true)
    if (!lost) {
      this.syncAll()
      return
    }
    // as in all other processes
    this.#strain.expectMany()
    this.#catchUp.retryNow()
  }

  /** The adapter says that commands cannot be sent: every circuit goes on by itself at once. */
  disconnected(error: Error | undefined): void {
    if (this.#closed) return
    for (const circuit of this.#registry.values()) this.#exchange.degrade(circuit)
    this.#health.connection(false, error)
  }

  /**
   * The adapter says that messages arrive from now on: it is looked whether views that no exchange is under way for still
   * hold. Those of circuits that go on by themselves are compared anyway.
   */
  subscribed(): void {
    if (this.#closed || !this.#health.connected) return
    const views = [...this.#registry.values()].filter(({ shared }) => shared?.degraded === false)
    inChunks(views, (circuits) => void this.#exchange.peek(circuits))
  }

  /** Every circuit is brought up to date, in one go. */
  syncAll(): void {
    if (this.#closed || !this.#health.connected) return
    inChunks([...this.#registry.values()], (circuits) => void this.#exchange.flush(circuits))
  }

  /** A transition, or a slot that came back. False for what cannot be true: its epoch lies in the server's future. */
  pushed(id: string, view: View, serverMs: number): boolean {
    if (this.#closed) return true
    const serverNow = this.#exchange.serverNow ?? serverMs
    // where the server's clock has stepped back, epochs go on from where they were
    let known = serverNow * 1_000
    for (const { shared, machine } of this.#registry.values()) {
      if (shared?.id === id) known = Math.max(known, machine.epoch)
    }
    if (view.epoch > known + FUTURE_MS * 1_000) return false
    this.#pushedViews.remember(id, view, this.#scheduler.now())
    for (const circuit of this.#registry.values()) {
      const { shared } = circuit
      if (shared?.id !== id || view.epoch < circuit.machine.epoch) continue
      // not a transition: a probe's slot came back
      if (view.epoch === circuit.machine.epoch) circuit.slotFreed()
      else if (!shared.degraded) this.#exchange.apply(circuit, view)
      // its own state has to be compared first
      else if (this.#health.connected && this.#strain.isEased) void this.#exchange.flush([circuit])
    }
    return true
  }

  enqueue(circuit: Circuit): void {
    if (!this.#closed) this.#queue.add(circuit)
  }

  flushNow(circuit: Circuit): void {
    if (!this.#closed) this.#queue.hurry(circuit)
  }

  acquire(circuit: Circuit, now: number): Promise<Admission> {
    return this.#probes.acquire(circuit, now)
  }

  report(circuit: Circuit, probe: Probe, result: ProbeResult): void {
    this.#probes.report(circuit, probe, result)
  }

  renew(circuit: Circuit, probe: Probe): void {
    this.#probes.renew(circuit, probe)
  }

  async #control(key: string, action: ControlAction): Promise<Circuit> {
    const circuit = this.#registry.anyCircuit(key)
    this.#catchUp.start()
    this.#introduceAbove(circuit)
    if (this.#health.connected && !this.#closed) {
      const sent = makeRequest(circuit, this.#scheduler.now())
      try {
        this.#exchange.onReply(sent, await this.#backend.control(sent.request, action))
        return circuit
      } catch (error) {
        this.#exchange.onFailure(circuit, error as Error)
      }
    }
    circuit.control(action)
    if (circuit.shared !== undefined) circuit.shared.overruled = true
    return circuit
  }

  /** A new circuit has what was pushed before it was used, and gets its first view at once. */
  #introduce(circuit: Circuit): Circuit {
    this.#catchUp.start()
    this.#introduceAbove(circuit)
    if (circuit.shared?.degraded !== false) return circuit
    const known = this.#pushedViews.viewOf(circuit.shared.id, this.#scheduler.now())
    if (known !== undefined) this.#exchange.apply(circuit, known)
    // circuits that are first used in one tick go in one batch
    if (this.#fresh.size === 0) queueMicrotask(() => this.#flushFresh())
    this.#fresh.add(circuit)
    return circuit
  }

  /** What an operator has done to the origin holds from the first call on. */
  #introduceAbove({ above }: Circuit): void {
    if (above?.shared?.syncedAt === -Infinity) this.#introduce(above)
  }

  #flushFresh(): void {
    const fresh = [...this.#fresh]
    this.#fresh.clear()
    inChunks(fresh, (circuits) => void this.#exchange.flush(circuits))
  }

  #sendSoon(circuit: Circuit): void {
    this.enqueue(circuit)
    if (circuit.shared?.mayTrip(circuit.policy) === true) this.flushNow(circuit)
  }

  #evicted(circuit: Circuit): void {
    const { shared } = circuit
    if (shared === undefined) return
    this.#health.remove(circuit)
    if (!shared.degraded && shared.hasPending) void this.#exchange.flush([circuit])
  }
}
