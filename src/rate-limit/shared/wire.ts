import { MAX_TIMER_MS } from '../../options.ts'
import type { LimitMessage } from './backend.ts'

// How what is pushed about limits is written.

/** Begins a message about a limit: the version of what follows, and `*`, with which no id of a circuit begins. */
export const LIMIT_MESSAGE_HEAD = '1 *limits'

/** Reads what a server pushes. `undefined` for anything else, and for messages of another version. */
export function decodeLimitMessage(message: string): LimitMessage | undefined {
  if (!message.startsWith(`${LIMIT_MESSAGE_HEAD} `)) return undefined
  const [kind, id, last, ...rest] = message.slice(LIMIT_MESSAGE_HEAD.length + 1).split(' ')
  if (id === undefined || id === '' || rest.length > 0) return undefined
  switch (kind) {
    case 'new':
    case 'scarce':
      return last === undefined ? undefined : { kind, id, name: last }
    case 'clear':
      return last === undefined ? { kind, id } : undefined
    case 'cool': {
      const ms = Number(last)
      return /^\d{1,10}$/.test(last ?? '') && ms > 0 && ms <= MAX_TIMER_MS ? { kind, id, ms } : undefined
    }
    default:
      return undefined
  }
}
