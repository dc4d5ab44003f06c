/**
 * The functions of a test runner that the suites use: those of Vitest, Jest, Mocha and node:test fit as they are.
 * @example
 * import { afterEach, beforeEach, describe, it } from 'node:test'
 * const runner: TestRunner = { afterEach, beforeEach, describe, it }
 */
export interface TestRunner {
  readonly describe: (name: string, body: () => void) => unknown
  /** @param timeoutMs for runners that take one here (Vitest, Jest); others ignore it */
  readonly it: (name: string, body: () => void | Promise<void>, timeoutMs?: number) => unknown
  readonly beforeEach: (body: () => Promise<void>) => unknown
  readonly afterEach: (body: () => Promise<void>) => unknown
}

/** For a store that hangs: no test of a suite needs so long. */
const TIMEOUT_MS = 60_000

/** A runner whose tests have time enough for a slow store, where the runner can be told. */
export function patient({ describe, it, beforeEach, afterEach }: TestRunner): TestRunner {
  return { describe, it: (name, body) => it(name, body, TIMEOUT_MS), beforeEach, afterEach }
}
