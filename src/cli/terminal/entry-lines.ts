import { isUtf8 } from 'node:buffer'
import { notReplayable, notReplayableReason } from '../../dead-letter/record/not-replayable.ts'
import type { DeadLetter, DeadLetterError } from '../../dead-letter/record/record.ts'
import { bytesText } from '../../operations/bytes-text.ts'
import { TOO_LARGE_TO_SHOW } from '../../operations/entries/shown-entry.ts'
import { dueInText } from './due-text.ts'
import { fieldLines, tableLines } from './table.ts'
import { ageText, durationText, timeText } from './time-text.ts'

/** How much of a body is shown; `--save-body` writes all of it. */
const SHOWN_BYTES = 4096
const SHOWN_LINES = 60

const tooLarge = Buffer.from(TOO_LARGE_TO_SHOW)

/** Everything that is known of an entry, for people. Takes an entry that may be shown (`shownEntry`). */
export function entryLines(entry: DeadLetter, now: number): string[] {
  const { request, response, sealed } = entry
  return [
    ...fieldLines([
      ['id', entry.id],
      ['integration', entry.integration],
      ['status', entry.note === undefined ? entry.status : `${entry.status} (${entry.note})`],
      ['reason', entry.reason],
      ['delivery', deliveryText[entry.delivery]],
      ['captured', `${timeText(entry.timestamp)} (${ageText(entry.timestamp, now)} ago)`],
      ['due', dueText(entry, now)],
      [
        'replayable',
        entry.replayable ? 'yes' : `no: ${notReplayableReason(entry)}: ${notReplayable(entry).why}`,
      ],
      ['idempotency key', entry.idempotencyKey],
      ['ordering key', entry.orderingKey],
      [
        'labels',
        entry.labels &&
          Object.entries(entry.labels)
            .map((pair) => pair.join('='))
            .join(', '),
      ],
      ['cut', entry.cut?.join(', ')],
      ['traceparent', entry.traceparent],
      ['edited from', entry.editedFrom],
      ['sealed', sealed && `with the key ${sealed.keyId}`],
    ]),
    ...section('Request'),
    ...indented([
      `${request.method} ${request.url}`,
      ...headerLines(request.headers),
      ...(request.omittedHeaders === undefined ? [] : [`(not kept: ${request.omittedHeaders.join(', ')})`]),
    ]),
    ...bodyLines(request, sealed !== undefined),
    ...(response === undefined
      ? []
      : [
          ...section('Response'),
          ...indented([String(response.statusCode), ...headerLines(response.headers)]),
          ...(response.body === undefined
            ? []
            : ['', ...textLines(response.body, response.truncated === true)]),
        ]),
    ...section('Error'),
    ...indented(errorLines(entry.error)),
    ...attemptLines(entry),
    ...replayLines(entry),
  ]
}

function attemptLines({ history }: DeadLetter): string[] {
  const title = section(`Attempts (${history.length})`)
  if (history.length === 0) return title
  const table = tableLines(
    [
      { title: 'AT', value: ({ at }) => timeText(at) },
      { title: 'TOOK', value: ({ ms }) => durationText(ms), align: 'right' },
      { title: 'OUTCOME', value: ({ statusCode, code }) => String(statusCode ?? code ?? '') },
    ],
    history,
  )
  return [...title, ...indented(table)]
}

function replayLines({ replays, replayCount }: DeadLetter): string[] {
  if (replays.length === 0) return []
  const table = tableLines(
    [
      { title: 'AT', value: ({ at }) => timeText(at) },
      { title: 'OUTCOME', value: ({ outcome }) => outcome },
      { title: 'STATUS', value: ({ statusCode, code }) => String(statusCode ?? code ?? '') },
    ],
    replays,
  )
  return [...section(`Replays (${replayCount} used up)`), ...indented(table)]
}

const deliveryText = {
  'not-sent': 'not sent',
  unknown: 'unknown: it may have arrived',
  responded: 'the server answered',
} as const

function dueText(entry: DeadLetter, now: number): string | undefined {
  if (entry.status !== 'pending') return undefined
  const wait = dueInText(entry, now)
  return wait === undefined ? 'now' : `${wait} (${timeText(entry.dueAt)})`
}

function section(title: string): string[] {
  return ['', title]
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`)
}

function headerLines(headers: DeadLetter['request']['headers']): string[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    (typeof value === 'string' ? [value] : value).map((one) => `${name}: ${one}`),
  )
}

function bodyLines({ body, bytes, bodyRedacted }: DeadLetter['request'], sealed: boolean): string[] {
  if (bytes === 0 && body === undefined) return []
  const size = `${bytesText(bytes)}${bodyRedacted === true ? ', its secret fields are not shown' : ''}`
  if (body === undefined) return ['', `  (body: ${size}, ${sealed ? 'sealed' : 'not kept'})`]
  const kept = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  if (kept.equals(tooLarge)) {
    return ['', `  (body: ${bytesText(bytes)}, too large to be shown: see --save-body)`]
  }
  if (!isUtf8(kept)) return ['', `  (body: ${size}, binary: see --save-body)`]
  const cut = kept.byteLength > SHOWN_BYTES
  return ['', `  (body: ${size})`, ...textLines(kept.toString('utf8', 0, SHOWN_BYTES), cut)]
}

/** The bar before each line keeps text with newlines from posing as lines of ours. */
function textLines(text: string, truncated: boolean): string[] {
  const lines = text.slice(0, SHOWN_BYTES).split(/\r?\n/)
  const shown = lines.slice(0, SHOWN_LINES).map((line) => `  | ${line}`)
  const more = truncated || lines.length > SHOWN_LINES || text.length > SHOWN_BYTES
  return more ? [...shown, '  | ...'] : shown
}

function errorLines(error: DeadLetterError, depth = 0): string[] {
  const pad = '  '.repeat(depth)
  const code = error.code === undefined ? '' : ` [${error.code}]`
  return [
    `${pad}${depth === 0 ? '' : 'caused by '}${error.name}: ${error.message}${code}`,
    ...(error.errors ?? []).flatMap((part) => errorLines(part, depth + 1)),
    ...(error.cause === undefined ? [] : errorLines(error.cause, depth + 1)),
  ]
}
