import type { CapturedBody } from '../../call/body/request-body.ts'
import { checkInit } from '../../call/body/request-init.ts'
import type { CallRequest } from '../../call/call-request.ts'
import { resolveOptions } from '../../checks.ts'
import { idempotencyKeyIn } from '../../http/idempotency-key.ts'
import { methodFault, urlFault } from '../../http/sendable-request.ts'
import { headersOption, shown } from '../../options.ts'
import { recordOfCall } from '../capture/record-of-call.ts'
import { deadLetterId } from '../id.ts'
import { isInMemory } from '../local/local-dead-letters.ts'
import type { DeadLetterRecord, NotReplayableReason } from '../record/record.ts'
import { isCredentialHeader } from '../record/redaction/headers.ts'
import { isWithoutWords } from '../record/redaction/large-body.ts'
import { markOutboxInUse } from './in-use.ts'
import {
  addChecks,
  type OutboxAddOptions,
  type OutboxAddPolicy,
  outboxChecks,
  type OutboxOptions,
  type OutboxPolicy,
  type OutboxRequest,
  writerWithin,
} from './options.ts'
import { outboxAdded } from './wake.ts'

/** Writes calls that must arrive before they are sent. */
export interface Outbox {
  /**
   * Writes a call. It is sent by `startReplayer`, within a second, as often as it takes.
   *
   * @param url absolute, http or https
   * @param init method, headers and body as `fetch` takes them; a body is read to its end. Headers with credentials are not
   * stored: the replayer's `credentials` gives them anew
   * @returns its id, once it is durable; with `within`, once it is written in that transaction
   * @throws TypeError, RangeError naming what, bound and value, also for a call that could never be sent as it was: too
   * large, or with secrets or headers that are not stored without `seal`: nothing is written then. Nor is it with an Error of the
   * code `ERR_OUTBOX_FULL`: the store has no room, since what is in it must arrive. What a store throws that is away is handed on: where
   * only its answer was lost, the call may be written all the same; adding it again under the same `idempotencyKey` is safe
   */
  add(url: string | URL, init?: OutboxRequest, options?: OutboxAddOptions): Promise<string>
}

/**
 * An outbox: for calls that must arrive, not only those that failed. Each is written, with the same redaction, sealing and
 * bounds as a dead letter (reason `outbox`), before anything is sent; `startReplayer` on the same store delivers it: with
 * backoff, in order by `orderingKey`, obeying circuits and limits of its dispatcher, and by the rules for what may be sent
 * twice. At least once: give an `idempotencyKey` where the provider honours it.
 *
 * With `postgresStore` a call can be written `within` your own transaction: an order and its webhook, both or none.
 *
 * In a process with an outbox, replayers look for what is due twice a second. Where a process of its own replays, say so by
 * `startReplayer(store.deadLetters, { filter: { reason: 'outbox' }, ... })`.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const outbox = createOutbox({ store: postgresStore(pool), integration: 'webhooks' })
 * const client = await pool.connect()
 * await client.query('BEGIN')
 * await client.query('INSERT INTO orders (id) VALUES ($1)', [order.id])
 * await outbox.add(customer.webhookUrl, { method: 'POST', body: JSON.stringify(order) }, {
 *   idempotencyKey: order.id,
 *   within: client,
 * })
 * await client.query('COMMIT')
 */
export function createOutbox(options: OutboxOptions): Outbox {
  const policy = resolveOptions('createOutbox', outboxChecks, options)
  markOutboxInUse()
  if (isInMemory(policy.store.deadLetters)) {
    process.emitWarning(
      'the outbox keeps its calls in the memory of this process, and they are lost with it: give `store` a ' +
        'sqliteStore(path), redisStore(redis) or postgresStore(pool)',
      'ResilienceWarning',
    )
  }
  const turns = new Turns()
  return {
    async add(url, init = {}, addOptions = {}) {
      const given = resolveOptions('outbox.add', addChecks, addOptions)
      const request = checkedRequest(url, init)
      const store = policy.store.deadLetters
      const writer = given.within === undefined ? store : writerWithin(store, given.within)
      return turns.take(given.orderingKey, async () => {
        const record = await outboxRecord(request, given, policy)
        const { kept } = await writer.add([record])
        if (!kept.includes(record.id)) throw outboxFull()
        // where it is written in a transaction, its commit tells
        if (given.within === undefined && (record.notBefore ?? 0) <= Date.now()) outboxAdded(store)
        return record.id
      })
    },
  }
}

/** What is in an outbox is not removed for what is new: who adds has to know, and can still do something else. */
function outboxFull(): Error {
  const error = new Error(
    'the store of the outbox has no room for the call: nothing was written, and nothing is sent. What is in it must arrive first, ' +
      'or be discarded; or raise its `maxRecords` or `maxBytes`',
  )
  return Object.assign(error, { code: 'ERR_OUTBOX_FULL' })
}

/** One after the other by their key, however long the body of one takes to be read: ids are the order of a key. */
class Turns {
  readonly #last = new Map<string, Promise<void>>()

  async take<T>(key: string | undefined, work: () => Promise<T>): Promise<T> {
    if (key === undefined) return work()
    const before = this.#last.get(key)
    const { promise: over, resolve } = Promise.withResolvers<void>()
    this.#last.set(key, over)
    await before
    try {
      return await work()
    } finally {
      resolve()
      if (this.#last.get(key) === over) this.#last.delete(key)
    }
  }
}

const initNames: ReadonlySet<string> = new Set(['method', 'headers', 'body', 'duplex'])

/** What fetch would make of it: the content type of a form, the body of any kind as a stream. */
function checkedRequest(url: string | URL, init: OutboxRequest): Request {
  const text = String(url)
  const fault = urlFault(text)
  // not quoted: it may hold a password
  if (fault !== undefined) throw new TypeError(`\`url\` must be an absolute http or https url: it ${fault}`)
  checkInit(init, initNames, 'the call is written now and sent later')
  const { method = 'GET', body } = init
  if (typeof method !== 'string' || methodFault(method) !== undefined) {
    throw new TypeError(`\`init.method\` must be a method that can be sent later, got ${shown(method)}`)
  }
  const headers = init.headers === undefined ? new Headers() : headersOption('init.headers', init.headers)
  return new Request(text, { method, headers, body: body ?? null, duplex: 'half' })
}

async function outboxRecord(
  request: Request,
  given: OutboxAddPolicy,
  policy: OutboxPolicy,
): Promise<DeadLetterRecord> {
  const { maxBodyBytes, redact, seal, integration } = policy
  const body = await readBody(request, maxBodyBytes)
  const headers = [...request.headers]
  const orderingKey = given.orderingKey ?? policy.orderingKey?.(asCallRequest(request, body.bytes))
  const error = Object.assign(new Error('written to the outbox, not sent yet'), { code: 'outbox' })
  const record = recordOfCall(
    {
      id: deadLetterId(),
      integration,
      now: Date.now(),
      method: request.method,
      url: request.url,
      headers,
      body,
      bodyWithoutWords: await isWithoutWords(body.bytes, redact),
      attempts: 0,
      history: [],
      givenUp: undefined,
      reason: 'outbox',
      notBefore: given.notBefore,
      outcome: { kind: 'error', error, code: error.code, delivery: 'not-sent' },
      responseBody: undefined,
      repeatable: undefined,
      idempotencyKey: given.idempotencyKey ?? idempotencyKeyIn(request.headers as never),
      orderingKey,
      labels: given.labels === undefined ? policy.labels : { ...policy.labels, ...given.labels },
    },
    redact,
    seal,
  )
  const fault = faultOf(record, policy)
  if (fault !== undefined) throw fault
  return record
}

/** As hooks of the stack see a call. */
function asCallRequest({ method, url, headers }: Request, body: Uint8Array | undefined): CallRequest {
  const { origin, pathname, search } = new URL(url)
  return { method, origin, path: pathname + search, url, headers: Object.fromEntries(headers), body }
}

/** The whole body, or as much as says that it is too large. */
async function readBody(request: Request, maxBytes: number): Promise<CapturedBody> {
  if (request.body === null) return { size: 0, complete: true }
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body as ReadableStream<Uint8Array>) {
    size += chunk.byteLength
    // leaving the loop cancels the source
    if (size > maxBytes) return { size, complete: false, reason: 'too-large' }
    chunks.push(chunk)
  }
  return { bytes: Buffer.concat(chunks), size, complete: true }
}

/** Why the call could never be sent as it was given: better told now than found in quarantine. */
function faultOf(
  { cut, notReplayableReason: why, request: { omittedHeaders = [] } }: DeadLetterRecord,
  { maxBodyBytes, seal }: OutboxPolicy,
): Error | undefined {
  if (why === 'body-too-large') {
    return new RangeError(
      `\`init.body\` must be at most ${maxBodyBytes} bytes (\`maxBodyBytes\`), and is larger`,
    )
  }
  if (cut !== undefined) {
    return new RangeError(`the call is larger than a record can be: ${cut.join(', ')} would be cut`)
  }
  const lost = seal === undefined ? omittedHeaders.filter((name) => !isCredentialHeader(name)) : []
  if (lost.length > 0) {
    return new TypeError(
      `\`init.headers\` would not be stored whole: keep ${lost.join(', ')} with \`redact.keepHeaders\`, or encrypt them with \`seal\``,
    )
  }
  const secret = why === undefined ? undefined : secrets[why]
  return secret === undefined
    ? undefined
    : new TypeError(
        `${secret} holds what looks like a secret, and would not be stored as it is: encrypt it with \`seal\`, or say with \`redact\` that it is none`,
      )
}

const secrets: Partial<Record<NotReplayableReason, string>> = {
  'body-redacted': '`init.body`',
  'path-redacted': 'the path of `url`',
}
