import { isError } from '../../../errors.ts'
import { shown } from '../../../options.ts'
import type { DeadLetter } from '../../record/record.ts'
import { type ReplayPolicy, unsentDelay } from './decision.ts'
import { holdBack, type HoldRules } from './hold-back.ts'
import type { Judgement } from './judgement.ts'
import {
  checkedTarget,
  type ReplayCredentials,
  ReplayRefusedError,
  replayRequest,
  type ReplayRequest,
  type ReplayRules,
} from './request.ts'

/** What `decide` may say: send the entry, drop it, or put it in doubt for a person. */
export type ReplayDecision = 'send' | 'discard' | 'hold'

export interface PrepareRules extends ReplayPolicy, ReplayRules, HoldRules {
  readonly credentials: ((record: DeadLetter) => ReplayCredentials | Promise<ReplayCredentials>) | undefined
  readonly decide: ((record: DeadLetter) => ReplayDecision | Promise<ReplayDecision>) | undefined
}

/** What to do with an entry whose turn it is. */
type Prepared =
  | { readonly then: 'send'; readonly request: ReplayRequest }
  | { readonly then: 'discard' }
  | { readonly then: 'settle'; readonly judgement: Judgement; readonly error?: unknown }

const decisions: ReadonlySet<unknown> = new Set(['send', 'discard', 'hold'])

/**
 * Makes the request of an entry, or says why it is not sent. `decide` is asked first of all hooks, and no credentials are
 * asked for before the entry's origin was found to be allowed.
 */
export async function prepare(entry: DeadLetter, rules: PrepareRules): Promise<Prepared> {
  const at = Date.now()
  const held = holdBack(entry, rules, at)
  if (held !== undefined) return settle({ settlement: held, reason: 'may-have-arrived', message: held.note })
  try {
    checkedTarget(entry, rules.allowedOrigins)
    const decision = (await answerOf('decide', () => rules.decide?.(entry))) ?? 'send'
    if (!decisions.has(decision)) {
      throw new TypeError(`\`decide\` must answer send, discard or hold, got ${shown(decision)}`)
    }
    if (decision === 'discard') return { then: 'discard' }
    if (decision === 'hold') {
      const note = 'held by `decide`'
      return settle({
        settlement: { outcome: 'in-doubt', replay: { at, outcome: 'refused' }, note },
        reason: 'decided',
        message: note,
      })
    }
    const credentials = (await answerOf('credentials', () => rules.credentials?.(entry))) ?? {}
    return { then: 'send', request: replayRequest(entry, credentials, rules) }
  } catch (caught) {
    const error: unknown = caught instanceof HookError ? caught.cause : caught
    const message = isError(caught) ? caught.message : String(caught)
    if (error instanceof ReplayRefusedError && error.forGood) {
      return settle({
        settlement: { outcome: 'quarantined', replay: { at, outcome: 'refused' }, note: message },
        reason: 'forged',
        message,
      })
    }
    const delayMs = unsentDelay(rules, entry, Math.random())
    return {
      ...settle({ settlement: { outcome: 'later', delayMs }, reason: 'missing', message }),
      ...(error instanceof ReplayRefusedError ? {} : { error }),
    }
  }
}

/** What a hook threw: whoever reads of it has to know whose mistake it is. */
class HookError extends Error {
  constructor(hook: string, cause: unknown) {
    super(`\`${hook}\` threw: ${isError(cause) ? cause.message : String(cause)}`, { cause })
  }
}

async function answerOf<T>(hook: string, ask: () => T | Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    throw error instanceof ReplayRefusedError ? error : new HookError(hook, error)
  }
}

function settle(judgement: Omit<Judgement, 'origin'>): Prepared & { then: 'settle' } {
  return { then: 'settle', judgement: { ...judgement, origin: { says: 'nothing' } } }
}
