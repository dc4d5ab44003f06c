import { createHash } from 'node:crypto'
import type { CircuitBackend, CircuitRequest, Timed } from '../../circuit/backend.ts'
import type {
  AcquireReply,
  ControlAction,
  ControlReply,
  FlushReply,
  ProbeResult,
  ReportReply,
} from '../../circuit/machine.ts'
import type { CircuitPolicy } from '../../circuit/policy.ts'
import type { Counts } from '../../circuit/window.ts'
import {
  circuitScripts,
  decodeStatus,
  decodeView,
  encodePolicy,
  encodeView,
  type Script,
} from './circuit-scripts.ts'
import { isCluster, type RedisClient, withDeadline } from './connection.ts'

/** How the scripts' keys and channel are named. */
export interface CircuitNames {
  /** Begins every key: `undici-resilience:1:`. */
  readonly prefix: string
  readonly channel: string
}

/** Keys of these characters are readable in Redis; others would break hash tags or messages, and are hashed. */
const readable = /^[\w.:/@~+=#-]{1,200}$/

export function circuitId(key: string): string {
  if (readable.test(key)) return key
  return `sha256-${createHash('sha256').update(key).digest('hex').slice(0, 40)}`
}

/** The machine of the Lua scripts. */
export class RedisCircuitBackend implements CircuitBackend {
  readonly #client: RedisClient
  readonly #names: CircuitNames
  readonly #by: string
  readonly #timeoutMs: number
  readonly #policies = new WeakMap<CircuitPolicy, string>()

  constructor(client: RedisClient, names: CircuitNames, timeoutMs: number, by: string) {
    this.#client = client
    this.#names = names
    this.#timeoutMs = timeoutMs
    this.#by = by
  }

  idOf(key: string): string {
    return circuitId(key)
  }

  async flush(
    requests: readonly (CircuitRequest & { readonly counts: Counts })[],
  ): Promise<(Timed<FlushReply> | Error)[]> {
    const calls = requests.map(({ counts: { total, failed, slow }, ...request }) =>
      this.#arguments(request, String(total), String(failed), String(slow)),
    )
    const replies = await this.#runAll(circuitScripts.flush, calls)
    return replies.map((reply) => (reply instanceof Error ? reply : attempt(() => flushReply(reply))))
  }

  async acquire(request: CircuitRequest, token: string, renew: boolean): Promise<Timed<AcquireReply>> {
    const reply = await this.#run(
      circuitScripts.acquire,
      this.#arguments(request, token, renew ? 'renew' : ''),
    )
    const { fields, ...head } = parse(reply)
    const [result, retryIn] = fields
    if (result !== 'go' && result !== 'granted' && result !== 'denied') throw strange(reply)
    return { ...head, result, retryInMs: count(retryIn) }
  }

  async report(request: CircuitRequest, token: string, result: ProbeResult): Promise<Timed<ReportReply>> {
    const reply = await this.#run(circuitScripts.report, this.#arguments(request, token, result))
    const { fields, ...head } = parse(reply)
    const [outcome] = fields
    if (outcome !== 'counted' && outcome !== 'void' && outcome !== 'ignored') throw strange(reply)
    return { ...head, result: outcome }
  }

  async control(request: CircuitRequest, action: ControlAction): Promise<Timed<ControlReply>> {
    const { fields: _none, ...head } = parse(
      await this.#run(circuitScripts.control, this.#arguments(request, action)),
    )
    return head
  }

  #arguments({ id, policy, view }: CircuitRequest, ...own: string[]): string[] {
    let encoded = this.#policies.get(policy)
    if (encoded === undefined) {
      encoded = encodePolicy(policy)
      this.#policies.set(policy, encoded)
    }
    const { prefix, channel } = this.#names
    const keys = ['s', 'w', 'l', 'r'].map((part) => `${prefix}{${id}}:${part}`)
    return [...keys, channel, id, this.#by, encoded, encodeView(view), ...own]
  }

  async #run(script: Script, args: string[]): Promise<unknown> {
    const [reply] = await this.#runAll(script, [args])
    if (reply instanceof Error) throw reply
    return reply
  }

  /**
   * One reply or error per call, within the deadline. Scripts that the server has forgotten are sent again whole: on one
   * server with the first call, in a cluster with each, since they may go to different nodes.
   */
  async #runAll(script: Script, calls: readonly string[][]): Promise<unknown[]> {
    const replies = await this.#batch(script, calls, () => false)
    const forgotten = replies.flatMap((reply, at) => (isNoScript(reply) ? [at] : []))
    if (forgotten.length === 0) return replies
    const missed = forgotten.map((at) => calls[at] ?? [])
    const again = await this.#batch(script, missed, (at) => at === 0 || isCluster(this.#client))
    forgotten.forEach((at, index) => (replies[at] = again[index]))
    return replies
  }

  async #batch(
    script: Script,
    calls: readonly string[][],
    whole: (at: number) => boolean,
  ): Promise<unknown[]> {
    try {
      return await withDeadline(this.#exec(script, calls, whole), this.#timeoutMs)
    } catch (error) {
      return calls.map(() => asError(error))
    }
  }

  async #exec(
    { sha, source }: Script,
    calls: readonly string[][],
    whole: (at: number) => boolean,
  ): Promise<unknown[]> {
    const client = this.#client
    // a cluster's pipeline must not leave one node: there each command finds its own
    if (isCluster(client) || calls.length === 1) {
      return Promise.all(
        calls.map((args, at) =>
          (whole(at) ? client.eval(source, 4, ...args) : client.evalsha(sha, 4, ...args)).catch(asError),
        ),
      )
    }
    const pipeline = client.pipeline()
    calls.forEach((args, at) =>
      whole(at) ? pipeline.eval(source, 4, ...args) : pipeline.evalsha(sha, 4, ...args),
    )
    const replies = (await pipeline.exec()) ?? []
    return calls.map((_args, at) => {
      const [error, reply] = replies[at] ?? [new Error('no reply'), undefined]
      return error ?? reply
    })
  }
}

interface Parsed {
  readonly view: ControlReply['view']
  readonly status: ControlReply['status']
  readonly serverMs: number
  readonly fields: readonly unknown[]
}

function parse(reply: unknown): Parsed {
  const [text, statusText, ...fields] = Array.isArray(reply) ? (reply as unknown[]) : []
  const sent = decodeView(text)
  const status = decodeStatus(statusText)
  if (sent === undefined || status === undefined) throw strange(reply)
  return { ...sent, status, fields }
}

function flushReply(reply: unknown): Timed<FlushReply> {
  const { fields, ...head } = parse(reply)
  return { ...head, total: count(fields[0]), failed: count(fields[1]), slow: count(fields[2]) }
}

function count(value: unknown): number {
  const number = Number(value)
  return Number.isFinite(number) ? Math.max(0, number) : 0
}

function strange(reply: unknown): Error {
  return new Error(`a circuit script replied what it cannot: ${JSON.stringify(reply)?.slice(0, 200)}`)
}

function attempt<T>(make: () => T): T | Error {
  try {
    return make()
  } catch (error) {
    return asError(error)
  }
}

function isNoScript(reply: unknown): boolean {
  return reply instanceof Error && reply.message.startsWith('NOSCRIPT')
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
