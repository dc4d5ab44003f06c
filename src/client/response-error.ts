import { IntegrationError, type IntegrationErrorContext, RateLimitError, subjectOf } from '../errors.ts'
import type { Verdict } from '../http/outcome.ts'
import { redactText } from '../http/secrets/redacted-text.ts'
import { askedWaitOf } from '../http/waits/asked-wait.ts'

/** The most of an error body that is read for its message, in bytes, and the longest that it is waited for. */
const maxErrorBytes = 16_384
const maxErrorMs = 1_000

interface ResponseErrorContext extends IntegrationErrorContext {
  verdict: Verdict | undefined
}

/** The standard error of a response that is not ok; reads a bounded part of the body for the provider's message. */
export async function errorOfResponse(
  response: Response,
  context: ResponseErrorContext,
): Promise<IntegrationError> {
  const { verdict, ...facts } = context
  const said = await messageOf(response)
  const told = verdict?.message ?? said
  const detail = told === undefined ? undefined : redactText(told)
  const message = `${subjectOf(facts)} answered ${response.status}${detail === undefined ? '' : `: ${detail}`}`
  const all: IntegrationErrorContext = {
    ...facts,
    statusCode: response.status,
    providerCode: verdict?.code,
    requestId: verdict?.requestId ?? requestIdOf(response.headers),
  }
  if (response.status === 429 || verdict?.kind === 'rate-limited') {
    const now = Date.now()
    const retryAfterMs =
      verdict?.retryAfterMs ??
      (verdict?.notBefore === undefined ? undefined : Math.max(0, verdict.notBefore - now)) ??
      askedWaitOf(response.status, Object.fromEntries(response.headers), now)
    return new RateLimitError(message, { ...all, retryAfterMs })
  }
  return new IntegrationError(message, { ...all, code: 'ERR_HTTP_STATUS' })
}

const requestIdHeaders = ['x-request-id', 'request-id', 'x-correlation-id', 'x-amzn-requestid', 'cf-ray']

function requestIdOf(headers: Headers): string | undefined {
  for (const name of requestIdHeaders) {
    const value = headers.get(name)
    if (value !== null) return value
  }
  return undefined
}

async function messageOf(response: Response): Promise<string | undefined> {
  const text = await readStart(response)
  if (text === undefined) return undefined
  try {
    const body = JSON.parse(text) as Record<string, unknown> | null
    for (const field of ['message', 'detail', 'error_description', 'error', 'title']) {
      const value = body?.[field]
      if (typeof value === 'string' && value !== '') return value.slice(0, 500)
    }
  } catch {
    // not JSON: a page of a proxy, perhaps. Its text says nothing that the status does not.
  }
  return undefined
}

async function readStart(response: Response): Promise<string | undefined> {
  if (response.body === null) return undefined
  const reader = response.body.getReader() as ReadableStreamDefaultReader<Uint8Array>
  const chunks: Uint8Array[] = []
  let bytes = 0
  // cancelling ends a read that waits for more
  const timer = setTimeout(() => void reader.cancel().catch(() => undefined), maxErrorMs)
  try {
    while (bytes < maxErrorBytes) {
      const { done, value } = await reader.read()
      if (done) break
      chunks.push(value)
      bytes += value.byteLength
    }
  } catch {
    // the body broke, or the caller aborted: the status is still the answer
  } finally {
    clearTimeout(timer)
    void reader.cancel().catch(() => undefined)
  }
  return Buffer.concat(chunks).toString()
}
