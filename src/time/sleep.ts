import type { Scheduler } from './clock.ts'

/** Resolves to true after `ms` milliseconds on the clock, to false as soon as `signal` is aborted. */
export function sleep(clock: Scheduler, ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false)
  return new Promise((resolve) => {
    const ended = (): void => {
      cancel()
      resolve(false)
    }
    const cancel = clock.after(ms, () => {
      signal.removeEventListener('abort', ended)
      resolve(true)
    })
    signal.addEventListener('abort', ended, { once: true })
  })
}
