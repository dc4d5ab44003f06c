import type { Agent, Dispatcher } from 'undici'
import type { ResilienceOptions } from '../../../resilience.ts'
import type { ProviderPreset } from '../policy/preset.ts'

/** Options of every provider's Agent and client: each is laid over the preset, field by field. */
export interface ProviderOptions extends ResilienceOptions {
  /** Another address of the API: a region, a proxy, a fake in tests. Its origin is then the only one allowed. */
  baseUrl?: string | URL | undefined
  /** What the stack is put on, a `ProxyAgent` for example. Default: an Agent with the provider's connection limits. */
  dispatcher?: Dispatcher | undefined
}

/** What the shared code knows of one provider. */
export interface Provider {
  /** As it is written: `HubSpot`. */
  readonly title: string
  readonly preset: ProviderPreset
  /** What paths are joined to. */
  readonly baseUrl: string
  /** Origins that requests may go to when no `baseUrl` is given. */
  readonly origin: RegExp
  /** Connection limits and timeouts of the Agent. */
  readonly agent: Agent.Options
  /** Put between the stack and the network: it sees each attempt, and no record sees what it adds. */
  readonly innermost?: Dispatcher.DispatcherComposeInterceptor | undefined
}

/**
 * Agent options for a provider: at most `connections` requests in flight (HTTP/1.1, one per connection), five seconds
 * to connect. Requests over that wait in the Agent, and the wait counts into their attempt timeout.
 */
export function agentOptions(connections: number, preset: ProviderPreset): Agent.Options {
  return {
    connections,
    pipelining: 1,
    // one HTTP/2 connection would carry a hundred requests at once, and `connections` would limit nothing
    allowH2: false,
    connect: { timeout: 5_000 },
    // the preset's attempt timeout ends an attempt; this is for stacks that were told not to have one
    headersTimeout: preset.attemptTimeoutMs + 30_000,
    bodyTimeout: 60_000,
  }
}
