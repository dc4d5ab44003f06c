import { execFile, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const run = promisify(execFile)
const folder = 'examples'

/** Runs an example as a reader does; it must end by itself, with exit code 0 and nothing on stderr. */
async function output(name: string): Promise<string> {
  const file = join(folder, `${name}${name === 'nats-jetstream' ? '.mjs' : '.ts'}`)
  const args = ['--import', './examples/support/from-source.ts', file]
  const { stdout, stderr } = await run(process.execPath, args, { timeout: 100_000 })
  expect(stderr).toBe('')
  return stdout
}

function isOnPath(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0
}

/** The lines that say what the example is about. */
const examples: Record<string, (string | RegExp)[]> = {
  'global-dispatcher': ['status 200 after 3 requests'],
  'agent-per-provider': [
    'visitor 2: crm 200, mail answered 500',
    'visitor 3: crm 200, mail refused: CircuitBreakerOpenError',
    'crm circuit closed',
    'mail circuit open',
  ],
  'single-interceptors': ['status 200 after 3 requests', 'circuit closed, 2 failures counted'],
  client: ['contact: { ok: true }', 'IntegrationError ERR_HTTP_STATUS: crm POST gave 422 at attempt 1'],
  'function-level': [
    'CircuitBreakerOpenError after 3 calls, circuit open',
    'ada: 42',
    'grace: 42',
    'circuit closed',
  ],
  'call-options': [
    'status 201, sent with booking-17, then booking-17',
    'dead letters of customer c-9: 1, after 2 attempts',
    'dead letters in all: 1',
  ],
  graphql: ['query: 200, sent 2 times', 'mutation: 503, sent 1 time', 'dead letters: not-repeatable'],
  'replay-worker': [
    'dead letters: 2',
    'done: PUT /contacts/1 200',
    'done: PUT /contacts/2 200',
    'dead letters: 0',
  ],
  'fastify-service': [
    'ada: 201',
    'grace: 202, will be booked later',
    'edsger: 202, will be booked later',
    'closed, 2 dead letters on disk',
  ],
  'pino-logs': [
    /"attempt":1,"statusCode":503,"delayMs":\d+,"budgetLeft":49,"msg":"retry scheduled"/,
    /"statusCode":429,"delayMs":1000,"retryAfterMs":1000/,
    /"level":50,.*"msg":"circuit closed -> open"/,
    /"deadLetterId":"[\da-f-]{36}","msg":"dead letter captured"/,
  ],
  'redis-fleet': [
    'pod a: answered 500',
    'pod b: answered 500',
    'pod a: circuit open',
    'pod b: circuit open',
    'pod a: refused: CircuitBreakerOpenError',
    'pod b: refused: CircuitBreakerOpenError',
    'pod a: circuit closed',
    'pod b: circuit closed',
    'the provider saw 6 of 8 calls',
  ],
  // its types do not compile with exactOptionalPropertyTypes, so that it is JavaScript
  'nats-jetstream': isOnPath('nats-server')
    ? ['PUT answered 503', /: again, rate-limited$/, 'PUT: done, taken', 'DELETE: done, taken']
    : ['no nats-server on the PATH: install it to run this example'],
  outbox: [
    'order-1: taken',
    'rolled back: order-2 is not paid',
    'the shop ended with SIGKILL; webhooks sent: 0',
    'webhooks: order-1, order-1, order-3',
  ],
}

describe.concurrent('the example', { timeout: 120_000 }, () => {
  it.each(Object.keys(examples))('%s does what it shows, and ends by itself', async (name) => {
    const lines = (await output(name)).split('\n')
    for (const line of examples[name] ?? []) {
      expect(lines).toContainEqual(typeof line === 'string' ? line : expect.stringMatching(line))
    }
  })

  it('pino-logs shows no secret', async () => {
    expect(await output('pino-logs')).not.toContain('secret')
  })

  it('of each file is tested', () => {
    const files = readdirSync(folder).filter((file) => /\.m?[jt]s$/.test(file))
    expect(files.map((file) => file.replace(/\.m?[jt]s$/, '')).sort()).toEqual(Object.keys(examples).sort())
  })
})
