import type {
  AcquireReply,
  ControlAction,
  ControlReply,
  FlushReply,
  ProbeResult,
  ReportReply,
} from '../../../circuit/machine/machine.ts'
import type { CircuitPolicy } from '../../../circuit/machine/policy.ts'
import type { Counts } from '../../../circuit/machine/window.ts'
import type { CircuitBackend, CircuitRequest, ReplyHead, Timed } from '../../../circuit/shared/backend.ts'
import { circuitId, decodeView, encodeView, messageHead } from '../../../circuit/shared/wire.ts'
import { isError } from '../../../errors.ts'
import type { RedisClient } from '../connection.ts'
import { type Ask, type Command, runEach } from '../run-each.ts'
import { runScriptEach, type Script, type ScriptRun } from '../script.ts'
import { Unanswered } from '../unanswered.ts'
import type { CircuitLayout } from './layout.ts'
import { circuitScripts, type CircuitScripts, decodeStatus, encodePolicy } from './scripts.ts'

interface RedisCircuitBackendSettings {
  /** Runs the scripts. Commands sent while it is not connected fail at once. */
  readonly client: RedisClient
  readonly layout: CircuitLayout
  /** This process. */
  readonly by: string
  /** The longest that a command may take. */
  readonly timeoutMs: number
  /** What this connection was asked in vain until now. */
  readonly unanswered?: Unanswered
  readonly scripts?: CircuitScripts
}

/** The machine of the Lua scripts. */
export class RedisCircuitBackend implements CircuitBackend {
  readonly #client: RedisClient
  readonly #layout: CircuitLayout
  readonly #by: string
  readonly #timeoutMs: number
  readonly #unanswered: Unanswered
  readonly #scripts: CircuitScripts
  readonly #policies = new WeakMap<CircuitPolicy, string>()

  constructor({
    client,
    layout,
    by,
    timeoutMs,
    unanswered = new Unanswered(),
    scripts = circuitScripts,
  }: RedisCircuitBackendSettings) {
    this.#client = client
    this.#layout = layout
    this.#by = by
    this.#timeoutMs = timeoutMs
    this.#unanswered = unanswered
    this.#scripts = scripts
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
    const ask = this.#unanswered.of('flush')
    const replies = await runScriptEach(this.#client, this.#scripts.flush, calls, this.#timeoutMs, ask)
    return replies.map((reply) => (isError(reply) ? reply : flushReplyOrError(reply)))
  }

  async peek(ids: readonly string[]): Promise<(number | Error)[]> {
    const commands = ids.map((id): Command => ['HGET', [this.#layout.keysOf(id)[0], 'ep']])
    const replies = await runEach(this.#client, commands, this.#timeoutMs, this.#unanswered.of('peek'))
    return replies.map((reply) => (isError(reply) ? reply : count(reply)))
  }

  async acquire(request: CircuitRequest, token: string, renew: boolean): Promise<Timed<AcquireReply>> {
    const reply = await this.#run(
      this.#scripts.acquire,
      this.#arguments(request, token, renew ? 'renew' : ''),
      // a lease that is renewed late is better than one that is not
      renew ? undefined : this.#unanswered.of('acquire'),
    )
    const { fields, ...head } = parse(reply)
    const [result, retryIn] = fields
    if (result !== 'go' && result !== 'granted' && result !== 'denied') throw strange(reply)
    return { ...head, result, retryInMs: count(retryIn) }
  }

  async report(request: CircuitRequest, token: string, result: ProbeResult): Promise<Timed<ReportReply>> {
    const reply = await this.#run(this.#scripts.report, this.#arguments(request, token, result))
    const { fields, ...head } = parse(reply)
    const [outcome] = fields
    if (outcome !== 'counted' && outcome !== 'void' && outcome !== 'ignored') throw strange(reply)
    return { ...head, result: outcome }
  }

  async control(request: CircuitRequest, action: ControlAction): Promise<Timed<ControlReply>> {
    const { fields: _none, ...head } = parse(
      await this.#run(this.#scripts.control, this.#arguments(request, action)),
    )
    return head
  }

  #arguments({ id, policy, view }: CircuitRequest, ...own: string[]): ScriptRun {
    let encoded = this.#policies.get(policy)
    if (encoded === undefined) {
      encoded = encodePolicy(policy)
      this.#policies.set(policy, encoded)
    }
    const layout = this.#layout
    return {
      keys: layout.keysOf(id),
      args: [layout.channel, messageHead(id), this.#by, encoded, encodeView(view), ...own],
    }
  }

  async #run(script: Script, run: ScriptRun, ask?: Ask): Promise<unknown> {
    const [reply] = await runScriptEach(this.#client, script, [run], this.#timeoutMs, ask)
    if (isError(reply)) throw reply
    return reply
  }
}

type Parsed = ReplyHead & { readonly fields: readonly unknown[] }

function parse(reply: unknown): Parsed {
  const [text, statusText, ...fields] = Array.isArray(reply) ? (reply as unknown[]) : []
  const sent = decodeView(text)
  const status = decodeStatus(statusText)
  if (sent === undefined || status === undefined) throw strange(reply)
  return { ...sent, status, fields }
}

function flushReplyOrError(reply: unknown): Timed<FlushReply> | Error {
  try {
    const { fields, ...head } = parse(reply)
    return { ...head, total: count(fields[0]), failed: count(fields[1]), slow: count(fields[2]) }
  } catch (error) {
    return error as Error
  }
}

function count(value: unknown): number {
  const number = Number(value)
  return Number.isFinite(number) ? Math.max(0, number) : 0
}

function strange(reply: unknown): Error {
  return new Error(`a circuit script replied what it cannot: ${JSON.stringify(reply)?.slice(0, 200)}`)
}
