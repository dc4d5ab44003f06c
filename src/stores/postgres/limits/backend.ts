import { circuitId } from '../../../circuit/shared/wire.ts'
import { asError } from '../../../errors.ts'
import type {
  LimitBackend,
  LimitReply,
  LimitRequest,
  StoredCooldown,
} from '../../../rate-limit/shared/backend.ts'
import { LIMIT_MESSAGE_HEAD } from '../../../rate-limit/shared/wire.ts'
import type { StoredLimit } from '../../../rate-limit/store.ts'
import type { Row } from '../client.ts'
import type { PostgresDatabase } from '../database.ts'
import { type LimitStatements, limitStatements } from './statements.ts'

/** Rows that are of no use any longer are looked for this often, in milliseconds. */
const SWEEP_MS = 10 * 60_000

interface PostgresLimitBackendSettings {
  readonly db: PostgresDatabase
  /** The channel on which cool-downs are told. */
  readonly channel: string
  /** The longest that a statement may take. */
  readonly timeoutMs: number
  /** Told after each statement whether it was answered. */
  readonly answered?: (isAnswered: boolean) => void
}

/** The limits of the function in the database. */
export class PostgresLimitBackend implements LimitBackend {
  readonly #settings: PostgresLimitBackendSettings
  readonly #sql: LimitStatements
  #sweptAt = performance.now()

  constructor(settings: PostgresLimitBackendSettings) {
    this.#settings = settings
    this.#sql = limitStatements(settings.db)
  }

  /** Keys are named as circuits are. */
  idOf(key: string): string {
    return circuitId(key)
  }

  async exchange(requests: readonly LimitRequest[]): Promise<(LimitReply | Error)[]> {
    this.#sweepNowAndThen()
    // all lock rows in one order: two statements never wait for each other in a circle
    const sorted = [...requests].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
    const asked = JSON.stringify(sorted.map(askedOf))
    try {
      const rows = await this.#query(this.#sql.exchange, [asked, this.#settings.channel, LIMIT_MESSAGE_HEAD])
      const replies = new Map(rows.map(({ at, reply }) => [sorted[Number(at) - 1], replyOf(String(reply))]))
      return requests.map((request) => replies.get(request) ?? new Error('no reply'))
    } catch (error) {
      return requests.map(() => asError(error))
    }
  }

  async cool(id: string, ms: number): Promise<number> {
    this.#sweepNowAndThen()
    const values = [id, String(Math.ceil(ms)), this.#settings.channel, LIMIT_MESSAGE_HEAD]
    const [row] = await this.#query(this.#sql.cool, values)
    return Number(row?.['left'])
  }

  async clear(id: string): Promise<void> {
    this.#sweepNowAndThen()
    await this.#query(this.#sql.clear, [id, this.#settings.channel, LIMIT_MESSAGE_HEAD])
  }

  async cooling(): Promise<StoredCooldown[]> {
    const rows = await this.#query(this.#sql.cooling, [])
    return rows.map(({ id, left, ended }) => ({
      id: String(id),
      ms: Number(left),
      ...(ended === null ? {} : { endedAgoMs: Number(ended) }),
    }))
  }

  /** The limits that were used of late, in no order. */
  async look(): Promise<StoredLimit[]> {
    const rows = await this.#query(this.#sql.look, [])
    return rows.map(({ id, name, size, win, used, held, waiting, processes, hold }) => ({
      key: String(id),
      name: String(name),
      limit: Number(size),
      windowMs: Number(win),
      used: Number(used),
      held: Number(held),
      waiting: Number(waiting),
      processes: Number(processes),
      holdMs: Number(hold),
    }))
  }

  #sweepNowAndThen(): void {
    const now = performance.now()
    if (now - this.#sweptAt < SWEEP_MS) return
    this.#sweptAt = now
    // it is only late when it fails: the next one does its work too
    this.#query(this.#sql.sweep, []).catch(() => undefined)
  }

  async #query(text: string, values: unknown[]): Promise<Row[]> {
    const { db, timeoutMs, answered } = this.#settings
    try {
      const rows = await db.query(text, values, timeoutMs)
      answered?.(true)
      return rows
    } catch (error) {
      answered?.(false)
      throw error
    }
  }
}

function nameOf({ id, name }: LimitRequest): string {
  return `${id} ${name}`
}

/** The columns that the function reads; all units are whole. */
function askedOf(request: LimitRequest): object {
  const { history, providerUsed } = request
  return {
    id: request.id,
    name: request.name,
    process: request.by,
    size: Math.ceil(request.limit),
    win: Math.ceil(request.windowMs),
    seq: request.sequence,
    used: Math.ceil(request.used),
    used_known: Math.ceil(request.usedKnown),
    returned: Math.ceil(request.returned),
    returned_known: Math.ceil(request.returnedKnown),
    held: Math.ceil(request.held),
    live: Math.ceil(request.live),
    back: Math.ceil(request.background),
    live_least: Math.ceil(request.liveLeast),
    back_least: Math.ceil(request.backgroundLeast),
    spare: Math.ceil(request.spare),
    lease: Math.ceil(request.leaseMs),
    reserved: Math.ceil(request.reserved),
    generation: request.generation,
    history: history?.map(([ageMs, units]) => [Math.floor(ageMs), Math.ceil(units)]),
    provider: providerUsed === undefined ? undefined : Math.ceil(providerUsed),
  }
}

/** What the function replies. */
interface ReplyJson extends Omit<LimitReply, 'retryInMs'> {
  readonly retryInMs: number | null
}

const stale: LimitReply = {
  status: 'stale',
  generation: '',
  kept: 0,
  live: 0,
  background: 0,
  spare: 0,
  used: 0,
  free: 0,
  processes: 1,
  scarce: false,
  retryInMs: undefined,
  holdMs: 0,
  profile: [],
}

function replyOf(text: string): LimitReply {
  const reply = JSON.parse(text) as ReplyJson
  return { ...stale, ...reply, retryInMs: reply.retryInMs ?? undefined }
}
