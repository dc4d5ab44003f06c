import { Agent, Dispatcher } from 'undici'
import { resolveOptions } from '../../../checks.ts'
import { IntegrationError } from '../../../errors.ts'
import { type ResilienceStack, stackOf } from '../../../resilience.ts'
import { isDoneWithin } from '../../../time/time-limit.ts'
import { mergeOptions } from '../policy/merge-options.ts'
import { providerChecks } from './provider-options.ts'
import type { Provider, ProviderOptions } from './provider.ts'

/** How an Agent is closed. */
export interface CloseOptions {
  /**
   * The longest wait for calls in flight, and then for what was captured to be written down, in milliseconds.
   * Default 5,000.
   */
  timeoutMs?: number | undefined
}

/**
 * An undici Agent with the provider's resilience on it, for any `fetch` or `undici.request`, and only for the
 * provider's own origin: a request to another one is refused before anything of it is sent, so that no credential goes
 * astray, by a redirect for example.
 *
 * @example
 * const agent = createHubSpotAgent({ store })
 * await fetch('https://api.hubapi.com/crm/v3/objects/contacts/1', { dispatcher: agent, headers: { authorization } })
 */
export class ProviderAgent extends Dispatcher {
  /** The `integration` option: `hubspot` unless told otherwise. */
  readonly integration: string
  readonly circuits: ResilienceStack['circuits']
  readonly limits: ResilienceStack['limits']
  readonly deadLetters: ResilienceStack['deadLetters']
  /** The longest time of one attempt, in milliseconds; `undefined` where there is none. */
  readonly attemptTimeoutMs: number | undefined
  // not #private: undici's compose() makes proxies, through which a private member cannot be read
  private readonly stack: ResilienceStack
  private readonly base: Dispatcher
  private readonly ownsBase: boolean
  private readonly stacked: Dispatcher
  private ending: Promise<void> | undefined
  private readonly refusal: (origin: string) => string | undefined

  constructor(provider: Provider, options: ProviderOptions) {
    super()
    const { baseUrl, dispatcher, ...policy } = resolveOptions(
      'ProviderAgent',
      providerChecks,
      mergeOptions(provider.preset, options),
    )
    this.refusal = refusalOf(provider, baseUrl)
    this.stack = stackOf(policy)
    this.integration = this.stack.integration
    this.circuits = this.stack.circuits
    this.limits = this.stack.limits
    this.deadLetters = this.stack.deadLetters
    this.attemptTimeoutMs = policy.attemptTimeoutMs
    this.ownsBase = dispatcher === undefined
    this.base = dispatcher ?? new Agent(provider.agent)
    const layers = provider.innermost === undefined ? [this.stack] : [provider.innermost, this.stack]
    this.stacked = this.base.compose(...layers)
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const origin = typeof options.origin === 'string' ? options.origin : (options.origin?.origin ?? '')
    const refused = this.refusal(origin)
    if (refused !== undefined) {
      // thrown before the handler is touched: undici and both fetches make a rejection of it
      throw new IntegrationError(refused, { integration: this.integration, method: options.method })
    }
    return this.stacked.dispatch(options, handler)
  }

  override close(options?: CloseOptions): Promise<void>
  override close(callback: () => void): void
  override close(given?: CloseOptions | (() => void)): Promise<void> | void {
    if (typeof given !== 'function') return this.end(given)
    // whoever gives a callback hears of the end, as with undici's own
    this.end().then(given, () => given())
  }

  override destroy(error?: Error | null): Promise<void>
  override destroy(callback: () => void): void
  override destroy(error: Error | null, callback: () => void): void
  override destroy(given?: Error | null | (() => void), callback?: () => void): Promise<void> | void {
    const error = typeof given === 'function' ? null : (given ?? null)
    const done = typeof given === 'function' ? given : callback
    const ended = Promise.all([
      this.stack.close({ timeoutMs: 0 }),
      this.ownsBase ? this.base.destroy(error) : undefined,
    ])
    if (done === undefined) return ended.then(() => undefined)
    ended.then(
      () => done(),
      () => done(),
    )
  }

  private end(options?: CloseOptions): Promise<void> {
    // closing twice is no error: a client and whoever holds its Agent may both do it
    return (this.ending ??= this.closeAll(options))
  }

  private async closeAll(options?: CloseOptions): Promise<void> {
    // the connections first: calls in flight end, and what they leave behind is still captured
    if (this.ownsBase) await isDoneWithin(this.base.close(), options?.timeoutMs ?? 5_000)
    await this.stack.close(options)
  }
}

/** What to say to a request for this origin; `undefined` for one that may pass. */
function refusalOf(provider: Provider, baseUrl: URL | undefined): (origin: string) => string | undefined {
  const said = (origin: string, allowed: string): string =>
    `this Agent is for ${provider.title} at ${allowed} only, got a request to ${origin === '' ? 'no origin' : origin}: ` +
    'for a fake or a proxy of it give `baseUrl`'
  if (baseUrl === undefined) {
    return (origin) =>
      provider.origin.test(origin) ? undefined : said(origin, new URL(provider.baseUrl).origin)
  }
  const allowed = baseUrl.origin
  return (origin) => (origin === allowed ? undefined : said(origin, allowed))
}
