import { subscribe } from 'node:diagnostics_channel'
import type { IncomingHttpHeaders } from 'node:http'

const HEADER = 'x-sent-at'
/** One clock for all processes of this machine, in milliseconds. */
const machineMs = (): number => Number(process.hrtime.bigint()) / 1e6

/**
 * From now on this process says with each request when it was let go. A provider that stands still for a moment reads late
 * what came meanwhile: of that whoever keeps a limit cannot know.
 */
export function sayWhenSent(): void {
  subscribe('undici:request:create', (message) => {
    const { request } = message as { request: { addHeader(name: string, value: string): void } }
    request.addHeader(HEADER, String(machineMs()))
  })
}

/** When a request was let go, by `performance.now()` of this process; where it does not say, it is one of now. */
export function sentAt(headers: IncomingHttpHeaders): number {
  const sent = headers[HEADER]
  return performance.now() - (sent === undefined ? 0 : machineMs() - Number(sent))
}
