import { labelsOption } from '../call/call-options.ts'
import type { CallRequest } from '../call/call-request.ts'
import type { Outcome } from '../call/outcome.ts'
import {
  arrayOption,
  durationOption,
  functionOption,
  integerOption,
  objectOption,
  stringOption,
} from '../options.ts'
import { defaultRules, type RedactionRules } from './redaction.ts'
import type { DeadLetterRecord } from './record.ts'
import { Seal, type SealKeys } from './sealing.ts'
import type { DeadLetterStore } from './store.ts'

/** What is taken out of records, beside what always is: credentials in headers, query and userinfo. */
export interface RedactOptions {
  /** Names of headers that are not kept although the defaults keep them. */
  headers?: readonly string[]
  /**
   * Names of headers to keep although the defaults do not know them: `x-tenant`. A header that is not kept must be
   * given by `credentials` at replay, or the record be sealed. Credentials are never kept.
   */
  keepHeaders?: readonly string[]
  /** Names of further query parameters whose values are secret. */
  query?: readonly string[]
  /**
   * Names of further fields of JSON and form bodies whose values are secret, beside passwords, tokens, keys and card
   * numbers. A redacted body is not replayable, unless the record is sealed. `false` keeps bodies as they are.
   */
  body?: readonly string[] | false
}

export interface DeadLetterOptions {
  /**
   * Which final outcomes become dead letters. Default: network errors, timeouts, open circuit, and the statuses 408,
   * 429 and 5xx; a `classify` verdict decides before the status. Never cancellations by the caller. To keep no reads:
   * `(_outcome, byDefault, { method }) => byDefault && method !== 'GET'`.
   */
  capture?: (outcome: Outcome, byDefault: boolean, request: CallRequest) => boolean
  /** The most of a request body that is kept, in bytes. Default 256 KiB. Larger requests are not replayable. */
  maxBodyBytes?: number
  /** The most of the final response's body that is kept, in bytes. Default 8 KiB; 0 keeps none. */
  maxResponseBytes?: number
  redact?: RedactOptions
  /** Encrypts beside the record what redaction takes out of it, credential headers excepted. Default: nothing. */
  seal?: SealKeys
  /** Put on every record; those of `withCallOptions` are merged over them. */
  labels?: Readonly<Record<string, string>>
  /** Entries with the same key are replayed in order, one after the other. `withCallOptions` goes before it. */
  orderingKey?: (request: CallRequest) => string | undefined
  /** Keeps records durably while the store is away; drained into it afterwards. Typically `sqliteStore(path).deadLetters`. */
  spool?: DeadLetterStore
  /** The last chance to see a record that is kept nowhere: queue, store or spool full, refused, or closed too early. */
  onDrop?: (record: DeadLetterRecord, reason: string) => void
  /** Records waiting in memory to be stored. Default 10,000. */
  maxQueued?: number
  /** Bytes waiting in memory to be stored. Default 64 MiB. */
  maxQueuedBytes?: number
  /** How long one command of the store may take before the spool is used instead, in milliseconds. Default 2,000. */
  storeTimeoutMs?: number
}

export const deadLetterOptionNames = [
  'capture',
  'maxBodyBytes',
  'maxResponseBytes',
  'redact',
  'seal',
  'labels',
  'orderingKey',
  'spool',
  'onDrop',
  'maxQueued',
  'maxQueuedBytes',
  'storeTimeoutMs',
] as const

/** Dead-letter options with every default filled in. */
export interface DeadLetterPolicy {
  readonly capture: DeadLetterOptions['capture']
  readonly maxBodyBytes: number
  readonly maxResponseBytes: number
  readonly rules: RedactionRules
  readonly seal: Seal | undefined
  readonly labels: Readonly<Record<string, string>> | undefined
  readonly orderingKey: DeadLetterOptions['orderingKey']
  readonly spool: DeadLetterStore | undefined
  readonly onDrop: DeadLetterOptions['onDrop']
  readonly maxQueued: number
  readonly maxQueuedBytes: number
  readonly storeTimeoutMs: number
}

/** @throws TypeError, RangeError naming option, bound and value */
export function resolveDeadLetterOptions(options: DeadLetterOptions): DeadLetterPolicy {
  objectOption('deadLetter', options, deadLetterOptionNames)
  const { spool } = options
  return {
    capture: functionOption('capture', options.capture),
    maxBodyBytes: integerOption('maxBodyBytes', options.maxBodyBytes ?? 256 * 1024, {
      min: 0,
      max: 64 * 1024 * 1024,
    }),
    // a record's JSON, escapes included, must stay readable by every store
    maxResponseBytes: integerOption('maxResponseBytes', options.maxResponseBytes ?? 8192, {
      min: 0,
      max: 128 * 1024,
    }),
    rules: redactOption(options.redact),
    seal: options.seal === undefined ? undefined : new Seal(options.seal),
    labels: options.labels === undefined ? undefined : labelsOption('labels', options.labels),
    orderingKey: functionOption('orderingKey', options.orderingKey),
    spool: spool === undefined ? undefined : deadLetterStoreOption('spool', spool),
    onDrop: functionOption('onDrop', options.onDrop),
    maxQueued: integerOption('maxQueued', options.maxQueued ?? 10_000, { min: 1 }),
    maxQueuedBytes: integerOption('maxQueuedBytes', options.maxQueuedBytes ?? 64 * 1024 * 1024, {
      min: 1024,
    }),
    storeTimeoutMs: durationOption('storeTimeoutMs', options.storeTimeoutMs ?? 2000, 1),
  }
}

function redactOption(redact: RedactOptions | undefined): RedactionRules {
  if (redact === undefined) return defaultRules
  objectOption('redact', redact, ['headers', 'keepHeaders', 'query', 'body'])
  const names = (name: string, list: readonly string[] | undefined): ReadonlySet<string> =>
    new Set((list === undefined ? [] : arrayOption(name, list, stringOption)).map((one) => one.toLowerCase()))
  return {
    headers: names('redact.headers', redact.headers),
    keepHeaders: names('redact.keepHeaders', redact.keepHeaders),
    query: names('redact.query', redact.query),
    body: redact.body === false ? undefined : names('redact.body', redact.body),
  }
}

const methods = [
  'add',
  'get',
  'list',
  'stats',
  'claim',
  'renew',
  'settle',
  'requeue',
  'discard',
  'close',
] as const

export function deadLetterStoreOption(name: string, value: unknown): DeadLetterStore {
  const store = value as Partial<Record<string, unknown>> | null
  const missing = methods.find((method) => typeof store?.[method] !== 'function')
  if (missing === undefined) return value as DeadLetterStore
  const hint = typeof store?.['deadLetters'] === 'object' ? '; did you mean its `deadLetters`?' : ''
  throw new TypeError(`\`${name}\` must be a DeadLetterStore, got a value without \`${missing}\`${hint}`)
}
