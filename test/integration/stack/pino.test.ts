import { Writable } from 'node:stream'
import pino from 'pino'
import { Agent, fetch } from 'undici'
import { expect, it } from 'vitest'
import { errorSerializer } from '../../../src/entries/pino.ts'
import { IntegrationError, resilience } from '../../../src/index.ts'
import { silence, startProvider } from '../../support/calls/provider.ts'

interface Line {
  msg: string
  err: Record<string, unknown> & { cause?: Record<string, unknown> }
}

function logger(serialized: boolean): [pino.Logger, Line[]] {
  const lines: Line[] = []
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      for (const line of chunk.toString().trim().split('\n')) lines.push(JSON.parse(line) as Line)
      done()
    },
  })
  return [pino(serialized ? { serializers: { err: errorSerializer } } : {}, stream), lines]
}

it('writes code, integration and deadLetterId of the error under `fetch failed`, which pino alone loses', async () => {
  const provider = await startProvider(silence)
  const stack = resilience({ integration: 'crm', attemptTimeoutMs: 30, retry: false })
  const dispatcher = new Agent().compose(stack)
  const error: unknown = await fetch(provider.url, { dispatcher }).catch((reason: unknown) => reason)
  const { deadLetterId } = (error as { cause: IntegrationError }).cause
  expect(deadLetterId).toBeDefined()

  const [plain, lost] = logger(false)
  plain.error({ err: error }, 'failed')
  expect(JSON.stringify(lost)).not.toContain(deadLetterId)

  const [whole, kept] = logger(true)
  whole.error({ err: error }, 'failed')
  whole.error(error, 'failed')
  for (const { err } of kept) {
    expect(err).toMatchObject({
      type: 'TypeError',
      message: 'fetch failed',
      code: 'ERR_TIMEOUT',
      deadLetterId,
      cause: {
        type: 'RequestTimeoutError',
        code: 'ERR_TIMEOUT',
        integration: 'crm',
        method: 'GET',
        url: `${provider.url}/`,
        scope: 'attempt',
        timeoutMs: 30,
        deadLetterId,
      },
    })
    expect(err['stack']).toContain('TypeError: fetch failed')
  }
  expect(kept).toHaveLength(2)
  await stack.close()
  await dispatcher.destroy()
  await provider.close()
})

it('writes parts of an AggregateError, circles once, and secrets not at all', () => {
  const [log, lines] = logger(true)
  const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' })
  const error = new AggregateError([reset], 'GET https://u:s3cr3t@a.example/?token=s3cr3t')
  const circle = new IntegrationError('outer', { cause: error })
  Object.defineProperty(error, 'cause', { value: circle, configurable: true })
  log.error({ err: circle }, 'failed')
  const [{ err } = { err: {} }] = lines
  expect(err).toMatchObject({
    type: 'IntegrationError',
    code: 'ERR_INTEGRATION',
    cause: {
      type: 'AggregateError',
      message: 'GET https://a.example/?token=[redacted]',
      errors: [{ type: 'Error', code: 'ECONNRESET', syscall: 'read' }],
    },
  })
  expect(JSON.stringify(lines)).not.toContain('s3cr3t')
})

it('leaves what is no error as it is', () => {
  for (const value of ['text', 7, undefined, { code: 'X' }]) expect(errorSerializer(value)).toBe(value)
})
