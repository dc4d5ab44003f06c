import assert from 'node:assert/strict'
import type { resilience as Resilience } from '../../../src/index.ts'
import { type Expected, type Scenario } from './scenarios.ts'
import type { Broken, Stage } from './servers.ts'

type Options = NonNullable<Parameters<typeof Resilience>[0]>

/**
 * Sends a POST and a GET into the scenario through a stack with default lists, and looks at what became of them: how
 * often they were sent, what the dead letters say, and what the circuit counted.
 */
export async function checkScenario(
  scenario: Scenario,
  major: 7 | 8,
  stage: Stage,
  resilience: typeof Resilience,
): Promise<void> {
  const expected: Expected = major === 7 ? { ...scenario, ...scenario.undici7 } : scenario
  const broken = await scenario.open(stage)
  try {
    const post = await outcomeOf('POST', broken, stage, resilience)
    const get = await outcomeOf('GET', broken, stage, resilience)
    const repeatable = expected.transient && expected.delivery === 'not-sent'
    const { captured, transient, delivery } = expected
    assert.deepEqual(
      { post: { ...post, code: undefined }, get: { ...get, code: undefined } },
      {
        post: {
          attempts: repeatable ? 2 : 1,
          captured,
          delivery: captured ? delivery : undefined,
          reason: captured ? reasonOf(transient, repeatable) : undefined,
          code: undefined,
        },
        get: {
          attempts: transient ? 2 : 1,
          captured,
          delivery: captured ? delivery : undefined,
          reason: captured ? reasonOf(transient, transient) : undefined,
          code: undefined,
        },
      },
    )
    for (const { code } of [post, get]) assert.match(code, regExpOf(expected.code))
    assert.equal(await countsOn(broken, stage, resilience), expected.counts, 'counted by the circuit')
  } finally {
    await broken.close()
  }
}

function reasonOf(transient: boolean, repeated: boolean): string {
  if (!transient) return 'final'
  return repeated ? 'exhausted' : 'not-repeatable'
}

function regExpOf(code: string | RegExp): RegExp {
  return typeof code === 'string' ? new RegExp(`^${code}$`) : code
}

interface Seen {
  attempts: number
  captured: boolean
  delivery: string | undefined
  reason: string | undefined
  code: string
}

/** Ends what undici would never end. */
const common: Options = { attemptTimeoutMs: 2_000 }

async function outcomeOf(
  method: 'GET' | 'POST',
  broken: Broken,
  stage: Stage,
  resilience: typeof Resilience,
): Promise<Seen> {
  const stack = resilience({
    ...common,
    retry: { maxAttempts: 2, initialBackoffMs: 1 },
    circuitBreaker: false,
  })
  let attempts = 0
  // the innermost: each attempt goes through it
  const dispatcher = broken.dispatcher.compose(
    (dispatch) => (options, handler) => {
      attempts++
      return dispatch(options, handler)
    },
    stack,
  )
  const error = await failure(stage, broken.url, { dispatcher, method })
  const [item] = (await stack.deadLetters.list()).items
  await stack.close()
  return {
    attempts,
    captured: item !== undefined,
    delivery: item?.delivery,
    reason: item?.reason,
    code: item?.error.code ?? codeOf(error),
  }
}

/** Whether one failure opens a circuit that opens at one. */
async function countsOn(broken: Broken, stage: Stage, resilience: typeof Resilience): Promise<boolean> {
  const stack = resilience({
    ...common,
    retry: false,
    deadLetter: false,
    circuitBreaker: { failureThreshold: 1, failureRate: 0 },
  })
  await failure(stage, broken.url, { dispatcher: broken.dispatcher.compose(stack), method: 'GET' })
  const { state } = stack.circuits.state(new URL(broken.url).origin)
  await stack.close()
  return state === 'open'
}

async function failure(
  { undici }: Stage,
  url: string,
  init: { dispatcher: Broken['dispatcher']; method: string },
): Promise<Error> {
  try {
    const response = await undici.fetch(url, init.method === 'POST' ? { ...init, body: 'an order' } : init)
    await response.text()
  } catch (error) {
    return error as Error
  }
  throw new Error(`${init.method} ${url} came through`)
}

function codeOf(error: unknown): string {
  const { code, name, cause } = error as { code?: string; name: string; cause?: unknown }
  return code ?? (cause === undefined ? name : codeOf(cause))
}
