import type { Verdict } from '../../../http/outcome.ts'

/** What a provider says about a failure: on errors and records, and of no weight for the decision. */
type ProviderFacts = Pick<Verdict, 'code' | 'message' | 'requestId'>

/** The facts that are there. */
export function providerFacts(
  code: string | undefined,
  message: string | undefined,
  requestId: string | undefined,
): ProviderFacts {
  return {
    ...(code === undefined ? {} : { code }),
    ...(message === undefined ? {} : { message }),
    ...(requestId === undefined ? {} : { requestId }),
  }
}
