import type { CallRequest } from '../../../src/call/call-request.ts'
import type { ClassifiedResponse } from '../../../src/classification/options.ts'

interface Facts {
  headers?: Record<string, string | string[]>
  /** Turned into JSON unless it is text. */
  body?: unknown
  method?: string
  path?: string
}

/** A request as hooks see it. */
export function callRequest(method: string, path: string, headers: Record<string, string> = {}): CallRequest {
  const origin = 'https://api.example.com'
  return { method, origin, path, url: origin + path, headers } as unknown as CallRequest
}

/** A response as `classify` sees it. */
export function classified(statusCode: number, facts: Facts = {}): ClassifiedResponse {
  const { headers = {}, body, method = 'GET', path = '/' } = facts
  return {
    statusCode,
    headers,
    body:
      body === undefined || typeof body === 'string' ? (body as string | undefined) : JSON.stringify(body),
    request: callRequest(method, path),
  }
}
