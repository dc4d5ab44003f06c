import { subscribe, unsubscribe } from 'node:diagnostics_channel'

interface Departures {
  /** `performance.now()` of each. */
  readonly at: number[]
  readonly paths: string[]
  readonly stop: () => void
}

/**
 * The requests of this process to an origin as undici lets them go: when they arrive is also a matter of how busy the
 * machine is.
 * @param origin asked at each request: the server may not listen yet
 */
export function departuresTo(origin: () => string): Departures {
  const at: number[] = []
  const paths: string[] = []
  const leaving = (message: unknown): void => {
    const { request } = message as { request: { origin: string; path: string } }
    if (request.origin !== origin()) return
    at.push(performance.now())
    paths.push(request.path)
  }
  subscribe('undici:request:create', leaving)
  return { at, paths, stop: () => unsubscribe('undici:request:create', leaving) }
}
