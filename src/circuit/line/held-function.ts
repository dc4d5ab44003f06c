import { ShutdownError } from '../../errors.ts'
import { type Admission, go, type Refusal } from '../admission.ts'
import type { Circuit } from '../circuit.ts'

/** The functions of one breaker that wait to be let through: `close` ends their waits. */
export class HeldFunctions {
  readonly #integration: string
  readonly #ends = new Set<(reason: Error) => void>()
  #closed = false

  constructor(integration: string) {
    this.#integration = integration
  }

  /**
   * Asks a circuit that is not closed, and waits in line where it refuses. An abort ends both waits at once; what is
   * granted too late goes back.
   * @throws `signal.reason` after an abort; a ShutdownError after `close`
   */
  async admitted(circuit: Circuit, now: number, signal: AbortSignal | undefined): Promise<Admission> {
    const asked = circuit.admit(now)
    if (!(asked instanceof Promise) && asked.kind !== 'refused') return asked
    const ended = Promise.withResolvers<never>()
    // nobody may be waiting for it any more
    ended.promise.catch(() => undefined)
    const onAbort = (): void => ended.reject(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#ends.add(ended.reject)
    const over = new AbortController()
    const lineUp = (refusal: Refusal): Promise<Admission> => this.#lineUp(circuit, refusal, over.signal)
    const pending =
      asked instanceof Promise
        ? asked.then((answer) => (answer.kind === 'refused' ? lineUp(answer) : answer))
        : lineUp(asked)
    try {
      const answer = await Promise.race([pending, ended.promise])
      signal?.throwIfAborted()
      return answer
    } catch (error) {
      void pending.then((late) => {
        if (late.kind !== 'refused') circuit.giveBack(late)
      })
      throw error
    } finally {
      over.abort()
      this.#ends.delete(ended.reject)
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Ends every wait with a `ShutdownError`, at once. Nothing waits in line any more. */
  close(): void {
    this.#closed = true
    const integration = this.#integration
    for (const end of [...this.#ends]) {
      end(
        new ShutdownError(`${integration}: a function was waiting when its breaker was closed`, {
          integration,
        }),
      )
    }
  }

  #lineUp(circuit: Circuit, refusal: Refusal, signal: AbortSignal): Promise<Admission> {
    // while a store was asked the call may have ended, or news have come that it is closed
    if (signal.aborted || this.#closed) return Promise.resolve(refusal)
    if (circuit.passing) return Promise.resolve(go)
    return new Promise((resolve) => {
      const waiter = { call: {}, deadline: Infinity, goes: resolve, refused: resolve }
      const leave = circuit.line.join(waiter, refusal)
      if (leave === undefined) resolve(refusal)
      else signal.addEventListener('abort', leave, { once: true })
    })
  }
}
