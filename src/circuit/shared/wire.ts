import { createHash } from 'node:crypto'
import type { View } from '../machine/state.ts'

// How circuits and their views are written where processes meet: in names, rows and messages.

/** Of what is written: changed when two releases would not understand each other. */
export const WIRE_VERSION = 1

/** Keys of these characters stay as they are; others would break names or messages, and are hashed. */
const readable = /^[\w.:/@~+=#-]{1,200}$/

/** What a circuit is called in a store. An id is its own id. */
export function circuitId(key: string): string {
  if (readable.test(key)) return key
  return `sha256-${createHash('sha256').update(key).digest('hex').slice(0, 40)}`
}

const stateLetters = { closed: 'c', open: 'o', 'half-open': 'h' } as const
const overrideLetters = { isolated: 'i', 'forced-closed': 'f' } as const
const states: Readonly<Record<string, View['state']>> = { c: 'closed', o: 'open', h: 'half-open' }
const overrides: Readonly<Record<string, View['override']>> = {
  i: 'isolated',
  f: 'forced-closed',
  '-': undefined,
}

export function encodeView({ epoch, state, remainingMs, trips, override, by }: View): string {
  const letter = override === undefined ? '-' : overrideLetters[override]
  return `${epoch} ${stateLetters[state]} ${remainingMs} ${trips} ${letter} ${by === '' ? '-' : by}`
}

/** A view as a server sends it. `serverMs` is the server's time when it was made, in milliseconds since 1970. */
interface SentView {
  readonly view: View
  readonly serverMs: number
}

const sentView = /^(\d{1,16}) ([coh]) (\d{1,10}) (\d{1,4}) ([-if]) ([\w-]{1,64}) (\d{1,16})$/

/** Reads what `encodeView` writes, followed by the server's time in microseconds. `undefined` for anything else. */
export function decodeView(text: unknown): SentView | undefined {
  const match = typeof text === 'string' ? sentView.exec(text) : null
  if (match === null) return undefined
  const [, epoch, state = '', remaining, trips, override = '', by = '', micros] = match
  if (!Number.isSafeInteger(Number(epoch))) return undefined
  return {
    view: {
      epoch: Number(epoch),
      state: states[state] ?? 'closed',
      remainingMs: Number(remaining),
      trips: Number(trips),
      override: overrides[override],
      by: by === '-' ? '' : by,
    },
    serverMs: Number(micros) / 1_000,
  }
}

/** What a pushed message begins with; the view follows after a space. */
export function messageHead(id: string): string {
  return `${WIRE_VERSION} ${id}`
}

/** What a pushed message says. */
export interface PushedView extends SentView {
  readonly id: string
}

/** Reads a pushed message. `undefined` for anything else, and for messages of another version. */
export function decodeMessage(message: string): PushedView | undefined {
  const [version, id, ...rest] = message.split(' ')
  const sent = version === String(WIRE_VERSION) ? decodeView(rest.join(' ')) : undefined
  return id === undefined || sent === undefined ? undefined : { id, ...sent }
}
