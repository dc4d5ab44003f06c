import { isError } from '../../../errors.ts'
import type {
  LimitBackend,
  LimitReply,
  LimitRequest,
  StoredCooldown,
} from '../../../rate-limit/shared/backend.ts'
import { LIMIT_MESSAGE_HEAD } from '../../../rate-limit/shared/wire.ts'
import type { RedisClient } from '../connection.ts'
import { runScriptEach, type Script, type ScriptRun } from '../script.ts'
import { Unanswered } from '../unanswered.ts'
import type { LimitLayout } from './layout.ts'
import { limitScripts, type LimitScripts } from './scripts.ts'

/** As cool.lua has it: that a cool-down was ended before its time is kept for so long, in milliseconds. */
const ENDED_MS = 3_600_000

interface RedisLimitBackendSettings {
  /** Runs the scripts. Commands sent while it is not connected fail at once. */
  readonly client: RedisClient
  readonly layout: LimitLayout
  readonly channel: string
  /** The longest that a command may take. */
  readonly timeoutMs: number
  /** What this connection was asked in vain until now. */
  readonly unanswered?: Unanswered
  readonly scripts?: LimitScripts
  /** Runs a script several times in one exchange: one reply or error each. Tests put time between. */
  readonly run?: (script: Script, runs: readonly ScriptRun[]) => Promise<unknown[]>
}

/** The limits of the Lua scripts. */
export class RedisLimitBackend implements LimitBackend {
  readonly #layout: LimitLayout
  readonly #channel: string
  readonly #runEach: (script: Script, runs: readonly ScriptRun[]) => Promise<unknown[]>
  readonly #scripts: LimitScripts

  constructor({
    client,
    layout,
    channel,
    timeoutMs,
    unanswered = new Unanswered(),
    scripts = limitScripts,
    run,
  }: RedisLimitBackendSettings) {
    this.#layout = layout
    this.#channel = channel
    // a cool-down has to be told whatever else is unanswered
    const asks = new Map([[scripts.exchange, unanswered.of('limits')]])
    this.#runEach = run ?? ((one, runs) => runScriptEach(client, one, runs, timeoutMs, asks.get(one)))
    this.#scripts = scripts
  }

  idOf(key: string): string {
    return this.#layout.idOf(key)
  }

  async exchange(requests: readonly LimitRequest[]): Promise<(LimitReply | Error)[]> {
    const runs = requests.map((request) => this.#runOf(request))
    const replies = await this.#runEach(this.#scripts.exchange, runs)
    return replies.map((reply) => (isError(reply) ? reply : replyOf(reply)))
  }

  async cool(id: string, ms: number): Promise<number> {
    const { coolingKey } = this.#layout
    const run = { keys: [coolingKey], args: [this.#channel, LIMIT_MESSAGE_HEAD, id, String(Math.ceil(ms))] }
    return numberOf(await this.#run(this.#scripts.cool, run))
  }

  async clear(id: string): Promise<void> {
    const args = [this.#channel, LIMIT_MESSAGE_HEAD, id, '0']
    await this.#run(this.#scripts.cool, { keys: [this.#layout.coolingKey], args })
  }

  async cooling(): Promise<StoredCooldown[]> {
    const reply = await this.#run(this.#scripts.cooling, { keys: [this.#layout.coolingKey], args: [] })
    const list = Array.isArray(reply) ? (reply as unknown[]) : []
    const found: StoredCooldown[] = []
    for (let at = 0; at + 1 < list.length; at += 2) {
      // what no script of ours wrote is nothing
      const ms = numberOf(list[at + 1])
      const id = list[at]
      if (typeof id !== 'string' || ms <= 0) continue
      found.push(id.startsWith('!') ? { id: id.slice(1), ms: 0, endedAgoMs: ENDED_MS - ms } : { id, ms })
    }
    return found
  }

  #runOf(request: LimitRequest): ScriptRun {
    const { id, name, history, providerUsed } = request
    return {
      keys: this.#layout.keysOf(id, name),
      args: [
        this.#channel,
        LIMIT_MESSAGE_HEAD,
        `${id} ${name}`,
        request.by,
        ...[
          request.limit,
          request.windowMs,
          request.sequence,
          request.used,
          request.usedKnown,
          request.returned,
          request.returnedKnown,
          request.held,
          request.live,
          request.background,
          request.spare,
          request.leaseMs,
          request.reserved,
        ].map((number) => String(Math.ceil(number))),
        request.generation,
        history?.map(([ageMs, units]) => `${Math.floor(ageMs)}:${Math.ceil(units)}`).join(',') ?? '',
        providerUsed === undefined ? '' : String(providerUsed),
        String(request.liveLeast),
        String(request.backgroundLeast),
      ],
    }
  }

  async #run(script: Script, run: ScriptRun): Promise<unknown> {
    const [reply] = await this.#runEach(script, [run])
    if (isError(reply)) throw reply
    return reply
  }
}

const statuses: readonly string[] = [
  'created',
  'same',
  'lost',
  'restate',
  'stale',
] satisfies LimitReply['status'][]

function replyOf(reply: unknown): LimitReply | Error {
  const [status, generation, ...rest] = Array.isArray(reply) ? (reply as unknown[]) : []
  const isStale = status === 'stale'
  if (
    !statuses.includes(status as string) ||
    (!isStale && (typeof generation !== 'string' || rest.length < 11))
  ) {
    return new Error(`a limit script replied what it cannot: ${JSON.stringify(reply)?.slice(0, 200)}`)
  }
  const [kept, live, background, spare, used, free, processes, , retry, hold] = rest.map(numberOf)
  return {
    status: status as LimitReply['status'],
    generation: isStale ? '' : (generation as string),
    kept: kept ?? 0,
    live: live ?? 0,
    background: background ?? 0,
    spare: spare ?? 0,
    used: used ?? 0,
    free: free ?? 0,
    processes: Math.max(1, processes ?? 1),
    scarce: rest[7] === '1',
    retryInMs: retry === undefined || retry < 0 ? undefined : retry,
    holdMs: hold ?? 0,
    profile: typeof rest[10] === 'string' ? rest[10].split(',').map(numberOf) : [],
  }
}

function numberOf(value: unknown): number {
  const number = Number(value)
  return Number.isFinite(number) ? number : 0
}
