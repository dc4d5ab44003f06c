import { isError } from './errors.ts'

/** What `process.versions` says; Bun and Deno name themselves there too. */
type Versions = Readonly<Record<string, string | undefined>>

interface Fault {
  /** Nothing works: it is an error. Else some of it may, and it is a warning. */
  readonly fatal: boolean
  readonly sentence: string
}

/** The sentence, but for the version that it was. `commonjs.ts` has the entries say it before they load undici. */
export const NEEDS_NODE = 'undici-resilience needs Node.js 22.19 or later, got '
/** Before this nothing works. */
export const LEAST_MAJOR = 22

/** What is wrong with running here, in one sentence; `undefined` when nothing is. */
export function runtimeFault(versions: Versions): Fault | undefined {
  for (const [runtime, name] of [
    ['bun', 'Bun'],
    ['deno', 'Deno'],
  ] as const) {
    const version = versions[runtime]
    if (version !== undefined) {
      const sentence =
        `undici-resilience is for Node.js: the fetch of ${name} (${version}) does not go through undici, so that no ` +
        'interceptor sees its calls; only withRetry and CircuitBreaker work'
      return { fatal: false, sentence }
    }
  }
  const [major = 0, minor = 0] = (versions['node'] ?? '').split('.').map(Number)
  if (major > LEAST_MAJOR || (major === LEAST_MAJOR && minor >= 19)) return undefined
  return { fatal: major < LEAST_MAJOR, sentence: NEEDS_NODE + (versions['node'] ?? 'none') }
}

/** What a dispatcher of undici 6 answers to the handlers of undici 7. */
const oldUndici = /^invalid on(?:Error|Connect) method$/

/** The error that a dispatcher threw, or one that says in words what it means. */
export function dispatchError(thrown: unknown): unknown {
  if (!isError(thrown) || !oldUndici.test(thrown.message)) return thrown
  return new TypeError('undici-resilience needs undici 7 or later: the dispatcher is of an older one', {
    cause: thrown,
  })
}

let checked = false

/**
 * Once, when the first interceptor is made: an import for its effect alone would be left out by bundlers.
 * @throws Error where nothing would work
 */
export function checkRuntime(): void {
  if (checked) return
  const fault = runtimeFault(process.versions)
  if (fault?.fatal === true) throw new Error(fault.sentence)
  checked = true
  if (fault !== undefined) process.emitWarning(fault.sentence, 'ResilienceWarning')
}
