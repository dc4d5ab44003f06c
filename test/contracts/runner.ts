import { afterEach, beforeEach, describe, it } from 'vitest'
import type { TestRunner } from '../../src/testing/contracts/runner.ts'

export const runner: TestRunner = { afterEach, beforeEach, describe, it }
