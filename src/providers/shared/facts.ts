import type { IncomingHttpHeaders } from 'node:http'
import type { Verdict } from '../../call/outcome.ts'

/** What a provider says about a failure: on errors and records, and of no weight for the decision. */
export type ProviderFacts = Pick<Verdict, 'code' | 'message' | 'requestId'>

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

/** The value of a response header, the first one where it came several times. */
export function headerOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value[0] : value
}
