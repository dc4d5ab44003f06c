import { describe, expect, it } from 'vitest'
import { toldError } from '../../../src/telemetry/told-error.ts'

const SECRET = 's3cr3t-value'

describe('an error in logs and events', () => {
  it('is itself when it holds no secret', () => {
    const error = new Error('GET https://a.example/x?page=2 failed', { cause: new Error('reset') })
    expect(toldError(error)).toBe(error)
  })

  it.each([
    `Mock dispatch not matched for path '/x?token=${SECRET}&page=1'`,
    `cannot reach https://user:${SECRET}@a.example/`,
    `refused: Authorization: Bearer ${SECRET}`,
    `bad token ghp_${SECRET.replaceAll('-', '')}abcdefghijklmnop`,
  ])('loses the secret in %s, with name, code and cause', (message) => {
    const error = Object.assign(new Error(message, { cause: new Error(message) }), {
      code: 'E_BAD',
      url: message,
    })
    error.name = 'BadError'
    const told = toldError(error)
    for (const text of [
      told.message,
      told.stack,
      (told.cause as Error).message,
      (told as { url?: string }).url,
    ]) {
      expect(text).toBeDefined()
      expect(text).not.toMatch(/s3cr3t-?value/)
    }
    expect(told).toMatchObject({ name: 'BadError', code: 'E_BAD' })
    expect(error.message).toBe(message)
  })

  it('is itself when it is a DOMException', () => {
    const error = new DOMException('timed out', 'TimeoutError')
    expect(toldError(error)).toBe(error)
  })
})
