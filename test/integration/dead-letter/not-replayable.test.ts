import { Agent } from 'undici'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { deadLetter, type DeadLetterInterceptorOptions } from '../../../src/dead-letter/interceptor.ts'
import { channels, type DeadLetterCapturedEvent } from '../../../src/telemetry/channels.ts'
import { type Provider, startProvider, status } from '../../support/calls/provider.ts'
import { via } from '../../support/calls/via.ts'

const secret = '{"properties":{"discount_token":"SUMMER"}}'

let provider: Provider
let agent: Agent
const lines: [level: string, context: Record<string, unknown>, message: string][] = []
const events: DeadLetterCapturedEvent[] = []
const hear = (event: DeadLetterCapturedEvent): void => void events.push(event)
beforeEach(async () => {
  provider = await startProvider(status(503))
  agent = new Agent()
  lines.length = events.length = 0
  channels.deadLetterCaptured.subscribe(hear)
})
afterEach(async () => {
  channels.deadLetterCaptured.unsubscribe(hear)
  await agent.destroy()
  await provider.close()
})

const logger = {
  info: () => undefined,
  warn: (context: object, message: string) => void lines.push(['warn', { ...context }, message]),
  error: (context: object, message: string) => void lines.push(['error', { ...context }, message]),
}

/** Calls that fail one after the other, through one stack. */
async function fail(
  calls: readonly (readonly [method: string, path: string, body?: string])[],
  options: DeadLetterInterceptorOptions,
): Promise<void> {
  const letters = deadLetter(options)
  const dispatcher = agent.compose(letters)
  for (const [method, path, body] of calls) {
    const init = body === undefined ? { method } : { method, body }
    await (await fetch(`${provider.url}${path}`, via(dispatcher, init))).text()
  }
  await letters.close()
}

it('is told by the event and the log of each capture', async () => {
  await fail(
    [
      ['PUT', '/a', secret],
      ['PUT', '/b', '{"name":"Ada"}'],
    ],
    { logger },
  )
  expect(events).toMatchObject([
    { replayable: false, notReplayableReason: 'body-redacted' },
    { replayable: true },
  ])
  expect(lines.filter(([level]) => level === 'error')).toMatchObject([
    [
      'error',
      { replayable: false, notReplayableReason: 'body-redacted', deadLetterId: events[0]!.id },
      'dead letter captured, not replayable: body-redacted',
    ],
    ['error', { replayable: true, deadLetterId: events[1]!.id }, 'dead letter captured'],
  ])
})

it('is told with its fields and what to do once for each kind of call, not for each call', async () => {
  await fail(
    [
      ['PUT', '/1', secret],
      ['PUT', '/2', secret],
      ['PATCH', '/3', secret],
      ['PUT', '/4', 'x'.repeat(2000)],
      ['PUT', `/services/T0123ABCD/B0123ABCD/${'aB3'.repeat(8)}`],
    ],
    { logger, maxBodyBytes: 1000 },
  )
  const notices = lines.filter(([level]) => level === 'warn')
  const fields = '("properties.discount_token")'
  const remedy = 'keep it encrypted with `seal`, or say with `redact: { body: false }` that it is none'
  expect(notices.map(([, , message]) => message)).toEqual([
    `a dead letter of PUT ${provider.url} cannot be sent again: its body has what looks like a secret, which is not stored ${fields}: ${remedy}`,
    `a dead letter of PATCH ${provider.url} cannot be sent again: its body has what looks like a secret, which is not stored ${fields}: ${remedy}`,
    `a dead letter of PUT ${provider.url} cannot be sent again: its body is larger than \`maxBodyBytes\`: raise it in \`deadLetter\``,
    expect.stringContaining('its path has what looks like a secret, which is not stored: keep it'),
  ])
  expect(notices[0]![1]).toEqual({
    reason: 'body-redacted',
    deadLetterId: events[0]!.id,
    integration: 'default',
  })
})

it('is a process warning where there is no logger', async () => {
  const warnings: string[] = []
  const listen = ({ message }: Error): void => void warnings.push(message)
  process.on('warning', listen)
  await fail(
    [
      ['PUT', '/1', secret],
      ['PUT', '/2', secret],
    ],
    {},
  )
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', listen)
  expect(warnings).toEqual([expect.stringContaining('"properties.discount_token"')])
})

it.each([
  ['sealed', { seal: { current: 'k', keys: { k: Buffer.alloc(32, 1) } } }],
  ['kept as it is', { redact: { body: false } }],
] as const)('is not told of a body that is %s', async (_what, options) => {
  await fail([['PUT', '/1', secret]], { logger, ...options })
  expect(lines).toMatchObject([['error', { replayable: true }, 'dead letter captured']])
})
