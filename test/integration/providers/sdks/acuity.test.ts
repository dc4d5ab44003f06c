import { createRequire } from 'node:module'
import { describe, expect, it } from 'vitest'
import { withRetry } from '../../../../src/index.ts'
import { preset as acuity } from '../../../../src/providers/acuity.ts'
import { FakeAcuity } from '../../../support/providers/fakes/fake-acuity.ts'
import { globalStack } from '../../../support/providers/global-stack.ts'

/** CommonJS, and this file is about what it does at run time: of its shape only what is used here. */
const require = createRequire(import.meta.url)

interface Answer {
  statusCode: number
  body: unknown
}
interface AcuitySdk {
  request(
    path: string,
    options: object,
    callback: (error: Error | null, response: { statusCode: number }, body: unknown) => void,
  ): void
}
const Acuity = require('acuityscheduling') as {
  basic(options: { userId: number; apiKey: string; base: string }): AcuitySdk
}

const basic = Buffer.from('4711:acu-s3cr3t').toString('base64')
const scene = globalStack(['acu-s3cr3t', basic])

describe('acuityscheduling 0.1, on request', () => {
  const appointment = {
    datetime: '2026-12-24T09:00:00-0500',
    appointmentTypeID: 1,
    firstName: 'Ada',
    lastName: 'Lovelace',
    email: 'ada@example.com',
  }

  async function start() {
    const provider = await scene.globally(acuity, new FakeAcuity('4711', 'acu-s3cr3t'))
    const sdk = Acuity.basic({ userId: 4711, apiKey: 'acu-s3cr3t', base: provider.origin })
    const call = (path: string, options = {}) =>
      new Promise<Answer>((resolve, reject) => {
        sdk.request(path, options, (error, response, body) =>
          error === null ? resolve({ statusCode: response.statusCode, body }) : reject(error),
        )
      })
    return { provider, call }
  }

  it('is not reached: one attempt, and a 503 comes as an answer that is no error', async () => {
    const { provider, call } = await start()
    provider.faults = [{ instead: provider.error(503, 'unavailable', 'Down') }]
    expect(await call('/appointments')).toMatchObject({ statusCode: 503, body: { message: 'Down' } })
    expect(provider.requests).toHaveLength(1)
    expect(await scene.letters()).toEqual([])
  })

  it('keeps nothing of a create whose connection broke', async () => {
    const { provider, call } = await start()
    provider.faults = [{ afterwards: 'reset' }]
    const create = call('/appointments', { method: 'POST', body: appointment })
    await expect(create).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect([...provider.created.values()]).toEqual([1])
    expect(provider.requests).toHaveLength(1)
    expect(await scene.letters()).toEqual([])
  })

  it('leaves its requests to fetch, which the same dispatcher guards', async () => {
    const { provider } = await start()
    const url = `${provider.baseUrl}/appointments`
    const headers = { authorization: `Basic ${basic}`, 'content-type': 'application/json' }
    provider.faults = [{ instead: provider.error(503, 'unavailable', 'Down') }]
    expect((await fetch(url, { headers })).status).toBe(200)
    expect(provider.requests).toHaveLength(2)
    provider.faults = [{ afterwards: 'reset' }]
    const create = fetch(url, { method: 'POST', headers, body: JSON.stringify(appointment) })
    await expect(create).rejects.toThrow('fetch failed')
    expect(provider.requests).toHaveLength(3)
    expect([...provider.created.values()]).toEqual([1])
    expect(await scene.letters()).toMatchObject([{ reason: 'not-repeatable', delivery: 'unknown' }])
  })

  it('is guarded by withRetry where a read is made to throw what it answers', async () => {
    const { provider, call } = await start()
    provider.faults = [{ instead: provider.error(503, 'unavailable', 'Down') }, { afterwards: 'reset' }]
    const read = async () => {
      const answer = await call('/appointments')
      if (answer.statusCode >= 400) throw Object.assign(new Error('no appointments'), answer)
      return answer
    }
    expect(await withRetry(read, { initialBackoffMs: 1 })).toMatchObject({ statusCode: 200, body: [] })
    expect(provider.requests).toHaveLength(3)
  })
})
