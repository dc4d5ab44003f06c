import { setTimeout as sleep } from 'node:timers/promises'

const EVERY_MS = 2
const LONGEST_MS = 10_000

/** Asks again and again until it does not throw: what another process does is heard of soon, not at once. */
export async function eventually<T>(ask: () => T | Promise<T>): Promise<T> {
  const start = performance.now()
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (performance.now() - start > LONGEST_MS) throw error
    }
    await sleep(EVERY_MS)
  }
}
