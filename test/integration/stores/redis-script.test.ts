import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runScript, runScriptEach, script } from '../../../src/stores/redis/script.ts'
import { type RunningRedis, startRedis } from '../../support/servers/redis-server.ts'

let server: RunningRedis
let client: Redis
beforeAll(async () => {
  server = await startRedis()
  client = new Redis(server.url)
})
afterAll(async () => {
  client.disconnect()
  await server.stop()
})

const echo = script(
  'local given = ARGV[1]',
  "if given == 'bad' then return redis.error_reply('ERR bad') end",
  'return given',
)
const told = (...args: string[]) => args.map((arg) => ({ keys: ['k'], args: [arg] }))

/** How often each command was received, since the last look. */
async function commands(): Promise<Record<string, number>> {
  const stats = await server.cli('info', 'commandstats')
  await server.cli('config', 'resetstat')
  const counts: Record<string, number> = {}
  for (const [, name, calls] of stats.matchAll(/cmdstat_(eval|evalsha):calls=(\d+)/g)) {
    counts[name!] = Number(calls)
  }
  return counts
}

it('sends a script whole once, when the server does not know it, and by its hash from then on', async () => {
  await client.script('FLUSH')
  await commands()
  expect(await runScriptEach(client, echo, told('a', 'b', 'c'), 1000)).toEqual(['a', 'b', 'c'])
  expect(await commands()).toEqual({ evalsha: 5, eval: 1 })
  expect(await runScriptEach(client, echo, told('d', 'e'), 1000)).toEqual(['d', 'e'])
  expect(String(await runScript(client, echo, { keys: ['k'], args: ['f'] }, 1000))).toBe('f')
  expect(await commands()).toEqual({ evalsha: 3 })
  await client.script('FLUSH')
  expect(String(await runScript(client, echo, { keys: ['k'], args: ['g'] }, 1000))).toBe('g')
  expect(await commands()).toEqual({ evalsha: 1, eval: 1 })
})

it('gives the error of a run that fails, and the replies of the others', async () => {
  for (const runs of [told('a', 'bad', 'c'), told('bad')]) {
    const replies = await runScriptEach(client, echo, runs, 1000)
    for (const [at, { args }] of runs.entries()) {
      if (args[0] === 'bad') expect(replies[at]).toMatchObject({ message: 'ERR bad' })
      else expect(replies[at]).toBe(args[0])
    }
  }
  await expect(runScript(client, echo, told('bad')[0]!, 1000)).rejects.toThrow('ERR bad')
})

it('takes strings of a reply as bytes where they may be none', async () => {
  const bytes = Buffer.from([0, 255, 10])
  expect(await runScript(client, echo, { keys: [], args: [bytes] }, 1000)).toEqual(bytes)
})

it('is given up after its time limit, each run of a batch', async () => {
  server.freeze()
  try {
    const late = { name: 'TimeLimitError', message: 'the answer of Redis took longer than 50 ms' }
    expect(await runScriptEach(client, echo, told('a', 'b'), 50)).toEqual([
      expect.objectContaining(late),
      expect.objectContaining(late),
    ])
    await expect(runScript(client, echo, told('a')[0]!, 50)).rejects.toMatchObject(late)
  } finally {
    server.thaw()
  }
})
