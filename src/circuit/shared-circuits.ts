import type { CircuitBackend, Scheduler, Timed } from './backend.ts'
import { CatchUp } from './catch-up.ts'
import type { Admission, Circuit, CircuitLink, Probe } from './circuit.ts'
import { makeRequest, replaces, type Sent } from './exchange.ts'
import { FlushQueue, inChunks } from './flush-queue.ts'
import type { ControlAction, FlushReply, ProbeResult, View } from './machine.ts'
import type { CircuitPolicy } from './policy.ts'
import { News } from './news.ts'
import { CircuitRegistry } from './registry.ts'
import { SharedProbes, type Word } from './shared-probes.ts'
import { SharedState } from './shared-state.ts'
import type { CircuitSnapshot, CircuitStore, CircuitStoreChange } from './store.ts'
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
  readonly #queue: FlushQueue
  readonly #catchUp: CatchUp
  readonly #probes: SharedProbes
  readonly #news: News
  readonly #sending = new Set<Promise<void>>()
  readonly #fresh: Circuit[] = []
  /** The server has told its time. */
  #timed = false
  #closed = false

  constructor(backend: CircuitBackend, settings: SharedCircuitsSettings, scheduler: Scheduler) {
    this.#backend = backend
    this.#settings = settings
    this.#scheduler = scheduler
    this.#registry = new CircuitRegistry({
      maxCircuits: settings.maxCircuits,
      now: () => scheduler.now(),
      offset: settings.offset,
      link: this,
      share: (key) => new SharedState(backend.idOf(key), !this.#health.connected || this.#closed),
      evicted: (circuit) => this.#evicted(circuit),
      ...(settings.by === undefined ? {} : { by: settings.by }),
    })
    this.#news = new News(settings.maxCircuits)
    this.#catchUp = new CatchUp(scheduler, settings.pollIntervalMs, this.#registry, (circuits) => {
      if (this.#health.connected) this.#send(circuits)
    })
    this.#probes = new SharedProbes(backend, scheduler, this.#registry.by, {
      heard: (sent, reply) => this.#heard(sent, reply),
      lost: (circuit, error) => this.#lost(circuit, error),
      track: (task) => this.#track(task),
    })
    this.#queue = new FlushQueue(scheduler, settings.flushIntervalMs, (circuits) => this.#send(circuits))
    this.#health = new StoreHealth(settings.name, (event) => this.#registry.degraded(event))
  }

  circuit(key: string, policy: CircuitPolicy): Circuit {
    const known = this.#registry.find(key)
    if (known?.claimed === true) return known
    return this.#introduce(this.#registry.circuit(key, { ...policy, leaseMs: this.#settings.leaseMs }))
  }

  state(key: string): CircuitSnapshot {
    return this.#registry.state(key)
  }

  list(): CircuitSnapshot[] {
    return this.#registry.list()
  }

  isolate(key: string): Promise<void> {
    return this.#control(key, 'isolate')
  }

  forceClose(key: string): Promise<void> {
    return this.#control(key, 'force-close')
  }

  reset(key: string): Promise<void> {
    return this.#control(key, 'reset')
  }

  onChange(listener: (change: CircuitStoreChange) => void): () => void {
    return this.#registry.onChange(listener)
  }

  async flush(): Promise<void> {
    this.#queue.flush()
    await Promise.all(this.#sending)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    await this.flush()
    this.#closed = true
    this.#queue.stop()
    this.#catchUp.stop()
    for (const { shared } of this.#registry.values()) if (shared !== undefined) shared.degraded = true
  }

  /** The adapter says that commands can be sent now, or again: every circuit is brought up to date. */
  connected(): void {
    this.#health.connection(true)
    this.syncAll()
  }

  /** The adapter says that commands cannot be sent: every circuit goes on by itself at once. */
  disconnected(error: Error | undefined): void {
    if (this.#closed) return
    for (const circuit of this.#registry.values()) this.#degrade(circuit)
    this.#health.connection(false, error)
  }

  /** After messages may have been lost: on each subscription, and when the connection came back. */
  syncAll(): void {
    if (this.#closed || !this.#health.connected) return
    inChunks([...this.#registry.values()], (circuits) => this.#send(circuits))
  }

  /** A transition, or a slot that came back. False for what cannot be true: its epoch lies in the server's future. */
  pushed(id: string, view: View, serverMs: number): boolean {
    if (this.#closed) return true
    const serverNow = this.#timed ? this.#scheduler.now() + this.#registry.offset : serverMs
    if (view.epoch > (serverNow + FUTURE_MS) * 1_000) return false
    this.#news.note(id, view, this.#scheduler.now())
    for (const circuit of this.#registry.values()) {
      const { shared } = circuit
      if (shared?.id !== id || view.epoch < circuit.machine.epoch) continue
      // no transition: a probe's slot came back
      if (view.epoch === circuit.machine.epoch) shared.askAt = 0
      else if (!shared.degraded) this.#apply(circuit, view)
      // its own state is to be compared first, and the reply to that may have been on its way already
      else if (this.#health.connected) this.#send([circuit])
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

  settle(circuit: Circuit, probe: Probe, result: ProbeResult): void {
    this.#probes.settle(circuit, probe, result)
  }

  renew(circuit: Circuit, probe: Probe): void {
    this.#probes.renew(circuit, probe)
  }

  async #control(key: string, action: ControlAction): Promise<void> {
    const circuit = this.#registry.anyCircuit(key)
    this.#catchUp.start()
    if (this.#health.connected && !this.#closed) {
      const sent = makeRequest(circuit, this.#scheduler.now())
      try {
        this.#heard(sent, await this.#backend.control(sent.request, action))
        return
      } catch (error) {
        this.#lost(circuit, error as Error)
      }
    }
    circuit.control(action)
    if (circuit.shared !== undefined) circuit.shared.operator = true
  }

  /** A new circuit has what was pushed before it was used, and gets its first view at once. */
  #introduce(circuit: Circuit): Circuit {
    this.#catchUp.start()
    if (circuit.shared?.degraded !== false) return circuit
    const heard = this.#news.of(circuit.shared.id, this.#scheduler.now())
    if (heard !== undefined) this.#apply(circuit, heard)
    // those of one tick go together
    if (this.#fresh.push(circuit) === 1) {
      queueMicrotask(() => inChunks(this.#fresh.splice(0), (circuits) => this.#send(circuits)))
    }
    return circuit
  }

  /** One batch: what is pending goes, the views come back. */
  #send(circuits: readonly Circuit[]): void {
    const batch = circuits.map((circuit) => makeRequest(circuit, this.#scheduler.now()))
    const requests = batch.map((sent) => {
      const { shared } = sent.circuit
      const counts =
        shared?.reached !== true || shared.degraded ? { total: 0, failed: 0, slow: 0 } : shared.take()
      return { ...sent.request, counts }
    })
    this.#track(
      this.#backend.flush(requests).then((replies) => {
        batch.forEach((sent, at) => {
          const reply = replies[at] ?? new Error('no reply')
          if (reply instanceof Error) this.#lost(sent.circuit, reply)
          else this.#flushed(sent, reply)
        })
      }),
    )
  }

  #flushed(sent: Sent, reply: Timed<FlushReply>): void {
    const { circuit } = sent
    const { shared } = circuit
    if (shared === undefined || this.#closed) return
    const first = !shared.reached
    this.#heard(sent, reply)
    if (circuit.machine.epoch !== reply.view.epoch || !circuit.passing) return
    shared.learn(reply)
    if (!first) return
    // what came before the first view was never sent
    const { total, failed, slow } = circuit.machine.window.sums(this.#scheduler.now())
    shared.pending = { total, failed, slow }
    if (total + failed + slow > 0) this.enqueue(circuit)
    if (shared.mayTrip(circuit.policy)) this.flushNow(circuit)
  }

  /** The server answered: its word counts unless a newer one has come meanwhile. */
  #heard(sent: Sent, reply: Word): void {
    const { circuit } = sent
    const { shared, machine } = circuit
    if (shared === undefined || this.#closed) return
    // from replies alone: a message of the channel may be anyone's
    this.#timed = true
    machine.offset = this.#registry.offset = reply.serverMs - this.#scheduler.now()
    shared.syncedAt = this.#scheduler.now()
    shared.reached = true
    if (shared.degraded) {
      shared.degraded = false
      shared.pending = { total: 0, failed: 0, slow: 0 }
      if (this.#health.recovered(circuit)) this.syncAll()
    }
    if (replaces(reply, sent)) this.#apply(circuit, reply.view)
    else if (reply.view.epoch === machine.epoch) shared.sharedEpoch = reply.view.epoch
  }

  #apply(circuit: Circuit, view: View): void {
    if (circuit.shared !== undefined) {
      circuit.shared.sharedEpoch = view.epoch
      circuit.shared.operator = false
    }
    circuit.apply(view, this.#scheduler.now())
  }

  #lost(circuit: Circuit, error: Error): void {
    if (this.#closed) return
    this.#degrade(circuit)
    if (this.#registry.find(circuit.key) !== circuit) return
    this.#health.failed(circuit, error)
    this.#catchUp.retryLater()
  }

  #degrade(circuit: Circuit): void {
    const { shared } = circuit
    if (shared === undefined || shared.degraded) return
    shared.degraded = true
    shared.pending = { total: 0, failed: 0, slow: 0 }
    circuit.takeOver()
  }

  #evicted(circuit: Circuit): void {
    const { shared } = circuit
    if (shared === undefined) return
    this.#health.forget(circuit)
    if (!shared.degraded && shared.hasPending) this.#send([circuit])
  }

  #track(task: Promise<void>): void {
    const tracked: Promise<void> = task.finally(() => this.#sending.delete(tracked))
    this.#sending.add(tracked)
  }
}
