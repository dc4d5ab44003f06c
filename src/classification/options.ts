import type { CallRequest } from '../call/call-request.ts'
import type { IncomingHttpHeaders } from 'node:http'
import type { Verdict } from '../call/outcome.ts'
import { arrayOption, functionOption, integerOption, objectOption } from '../options.ts'

/** A response as the `classify` hook sees it, before anything of it reached the caller. */
export interface ClassifiedResponse {
  readonly statusCode: number
  readonly headers: IncomingHttpHeaders
  /** The first bytes of the body, decoded; only where `inspectBody` asks for them. May be cut off. */
  readonly body: string | undefined
  readonly request: CallRequest
}

/** Says what a response means; `undefined` leaves it to the status. */
export type Classify = (response: ClassifiedResponse) => Verdict | undefined

export interface InspectBodyOptions {
  /** Statuses whose body the hook needs to see. A number of one digit stands for its class: 4 is 400 to 499. */
  statusCodes: readonly number[]
  /** The most that is held, in bytes, 1 to 65,536. Default 8,192. */
  maxBytes?: number
}

export interface ClassificationPolicy {
  readonly classify: Classify
  readonly inspected: ReadonlySet<number>
  readonly maxBytes: number
}

/** @throws TypeError, RangeError naming option, bound and value */
export function resolveClassification(
  classify: Classify,
  inspectBody: InspectBodyOptions | undefined,
): ClassificationPolicy {
  functionOption('classify', classify)
  if (inspectBody === undefined) return { classify, inspected: new Set(), maxBytes: 0 }
  objectOption('inspectBody', inspectBody, ['statusCodes', 'maxBytes'])
  const inspected = new Set<number>()
  for (const status of arrayOption('inspectBody.statusCodes', inspectBody.statusCodes, statusOrClass)) {
    if (status < 10) for (let code = status * 100; code < status * 100 + 100; code++) inspected.add(code)
    else inspected.add(status)
  }
  const maxBytes = integerOption('inspectBody.maxBytes', inspectBody.maxBytes ?? 8_192, {
    min: 1,
    max: 65_536,
  })
  return { classify, inspected, maxBytes }
}

function statusOrClass(name: string, value: unknown): number {
  const status = integerOption(name, value, { min: 2, max: 599 })
  return status < 10
    ? integerOption(name, status, { min: 2, max: 5 })
    : integerOption(name, status, { min: 200, max: 599 })
}
