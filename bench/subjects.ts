import { type Dispatcher, interceptors } from 'undici'

/** What is compared. Each runs in a process of its own: what one does to the optimiser must not slow the next. */
export const subjects = [
  'bare undici',
  'undici retry',
  'cockatiel retry + breaker',
  'opossum breaker',
  'our retry',
  'our full stack',
  'our full stack, both timeouts',
] as const

export type Subject = (typeof subjects)[number]

/** How a call is made: through a dispatcher, or through a function around it, for what knows only promises. */
interface Prepared {
  dispatcher: Dispatcher
  around?: <T>(call: () => Promise<T>) => Promise<T>
}

/** Loads only what the subject needs. */
export async function prepare(subject: Subject, dispatcher: Dispatcher): Promise<Prepared> {
  switch (subject) {
    case 'bare undici':
      return { dispatcher }
    case 'undici retry':
      return { dispatcher: dispatcher.compose(interceptors.retry()) }
    case 'our retry': {
      const { retry } = await import('undici-resilience')
      return { dispatcher: dispatcher.compose(retry()) }
    }
    case 'our full stack': {
      const { resilience } = await import('undici-resilience')
      return { dispatcher: dispatcher.compose(resilience()) }
    }
    case 'our full stack, both timeouts': {
      const { resilience } = await import('undici-resilience')
      return {
        dispatcher: dispatcher.compose(resilience({ attemptTimeoutMs: 10_000, totalTimeoutMs: 30_000 })),
      }
    }
    case 'cockatiel retry + breaker': {
      const cockatiel = await import('cockatiel')
      const retry = cockatiel.retry(cockatiel.handleAll, {
        maxAttempts: 3,
        backoff: new cockatiel.ExponentialBackoff(),
      })
      const breaker = cockatiel.circuitBreaker(cockatiel.handleAll, {
        halfOpenAfter: 30_000,
        breaker: new cockatiel.SamplingBreaker({ threshold: 0.5, duration: 30_000 }),
      })
      const policy = cockatiel.wrap(retry, breaker)
      return { dispatcher, around: (call) => policy.execute(call) }
    }
    case 'opossum breaker': {
      const { default: Opossum } = await import('opossum')
      // it wraps one function, so the call is its argument
      const breaker = new Opossum((call: () => Promise<unknown>) => call(), { timeout: false })
      return { dispatcher, around: <T>(call: () => Promise<T>) => breaker.fire(call) as Promise<T> }
    }
  }
}
