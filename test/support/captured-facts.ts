import { responseOutcome } from '../../src/call/outcome.ts'
import type { CapturedFacts } from '../../src/dead-letter/capture.ts'

/** What is known of a call that ended with a 503 and sent no body. */
export const capturedFacts: CapturedFacts = {
  id: 'id',
  name: 'crm',
  now: 1_800_000_000_000,
  method: 'POST',
  url: 'https://a.test/',
  headers: [],
  body: { size: 0, complete: true },
  attempts: 1,
  history: [],
  givenUp: undefined,
  outcome: responseOutcome(503, {}),
  responseBody: undefined,
  repeatable: false,
  idempotencyKey: undefined,
  orderingKey: undefined,
  labels: undefined,
}
