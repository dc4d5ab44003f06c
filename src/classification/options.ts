import type { IncomingHttpHeaders } from 'node:http'
import type { CallRequest } from '../call/call-request.ts'
import { type Checks, integer, withDefault } from '../checks.ts'
import type { Verdict } from '../http/outcome.ts'
import { arrayOption, integerOption } from '../options.ts'

/** A response as the `classify` hook sees it, before anything of it reached the caller. */
export interface ClassifiedResponse {
  readonly statusCode: number
  /** By lower-case name. */
  readonly headers: IncomingHttpHeaders
  /** The first bytes of the body, decoded; only where `inspectBody` asks for them. May be cut off. */
  readonly body: string | undefined
  readonly request: CallRequest
}

/** Says what a response means; `undefined` leaves it to the status. */
export type Classify = (response: ClassifiedResponse) => Verdict | undefined

/** Options of `inspectBody`: whose body `classify` sees. */
export interface InspectBodyOptions {
  /** Statuses whose body the hook needs to see. A number of one digit stands for its class: 4 is 400 to 499. */
  statusCodes: readonly number[]
  /** The most that is held, in bytes, 1 to 65,536. Default 8,192. */
  maxBytes?: number | undefined
}

export interface InspectBodyPolicy {
  /** Each status by itself. */
  readonly statusCodes: ReadonlySet<number>
  readonly maxBytes: number
}

export interface ClassificationPolicy {
  readonly classify: Classify
  readonly inspectBody: InspectBodyPolicy
}

/** No status is inspected. */
export const inspectNothing: InspectBodyPolicy = { statusCodes: new Set(), maxBytes: 0 }

/** The options of inspected bodies: each with its bound and its default. */
export const inspectBodyChecks: Checks<InspectBodyOptions, InspectBodyPolicy> = {
  statusCodes: statusesOption,
  maxBytes: withDefault(integer({ min: 1, max: 65_536 }), 8_192),
}

function statusesOption(name: string, value: unknown): ReadonlySet<number> {
  const statuses = arrayOption(name, value, statusOrClass)
  return new Set(
    statuses.flatMap((one) => (one < 10 ? Array.from({ length: 100 }, (_, i) => one * 100 + i) : one)),
  )
}

function statusOrClass(name: string, value: unknown): number {
  const status = integerOption(name, value, { min: 2, max: 599 })
  return status < 10
    ? integerOption(name, status, { min: 2, max: 5 })
    : integerOption(name, status, { min: 200, max: 599 })
}
