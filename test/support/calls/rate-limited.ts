import { request } from 'undici'
import { rateLimit, type RateLimitInterceptorOptions } from '../../../src/rate-limit/interceptor.ts'
import { withCallOptions } from '../../../src/with-call-options.ts'
import { ScriptedDispatcher } from './scripted-dispatcher.ts'

export const origin = 'http://api.test'

interface CallSettings {
  signal?: AbortSignal
  token?: string
  priority?: 'live' | 'background'
  rateLimit?: false
}

/** A server that the test plays, behind `rateLimit` alone. Its answers come at once unless `byHand`. */
export function rateLimited(options: RateLimitInterceptorOptions = {}, { byHand = false } = {}) {
  const limit = rateLimit(options)
  const server = new ScriptedDispatcher()
  if (!byHand) server.answer = (attempt) => attempt.respond(200)
  const dispatcher = server.compose(limit)
  const settled: unknown[] = []
  const call = ({ signal, token, ...own }: CallSettings = {}): Promise<number> => {
    const result = withCallOptions(own, () =>
      request(`${origin}/things?token=s3cret`, {
        dispatcher,
        ...(signal === undefined ? {} : { signal }),
        ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
      }),
    ).then(async ({ statusCode, body }) => {
      await body.text()
      return statusCode
    })
    result.then(
      (status) => settled.push(status),
      (error: unknown) => settled.push(error),
    )
    return result
  }
  return { limit, server, dispatcher, call, settled, state: (key = origin) => limit.limits.state(key) }
}
