import type { CapturedFacts } from '../../../src/dead-letter/capture/record-of-call.ts'
import { responseOutcome } from '../../../src/http/outcome.ts'

/** What is known of a call that ended with a 503 and sent no body. */
export const capturedFacts: CapturedFacts = {
  id: 'id',
  integration: 'crm',
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
  bodyWithoutWords: false,
  repeatable: false,
  idempotencyKey: undefined,
  orderingKey: undefined,
  labels: undefined,
}
