import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { DeadLetterRecord } from '../../../src/dead-letter/record/record.ts'
import { Seal } from '../../../src/dead-letter/record/sealing.ts'
import { sqliteStore } from '../../../src/entries/sqlite.ts'
import type { ResilienceStore } from '../../../src/store.ts'
import { makeRecord, type RecordChanges } from '../../../src/testing/contracts/records.ts'
import { ok, type Provider, sha256, startProvider, status } from '../../support/calls/provider.ts'
import { type CliResult, runCli } from '../../support/processes/cli.ts'

let folder: string
let path: string
let store: ResilienceStore
let provider: Provider

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cli-replay-'))
  path = join(folder, 'store.db')
  store = sqliteStore(path)
  provider = await startProvider()
})

afterEach(async () => {
  await provider.close()
  await store.close()
  await rm(folder, { recursive: true })
})

function replay(args: string[], options: Parameters<typeof runCli>[1] = {}): Promise<CliResult> {
  return runCli(
    ['dead-letters', 'replay', '--store', `sqlite:${path}`, '--allow-origin', provider.url, ...args],
    options,
  )
}

function recordTo(url: string, changes: RecordChanges = {}): DeadLetterRecord {
  return makeRecord({ ...changes, request: { url, ...changes.request } })
}

async function statusOf(id: string): Promise<string | undefined> {
  return (await store.deadLetters.get(id))?.status
}

it('sends entries to the allowed origin alone, with the credentials of the environment, which are never printed', async () => {
  const forged = await startProvider()
  const here = recordTo(`${provider.url}/contacts/1`, { request: { omittedHeaders: ['authorization'] } })
  const there = recordTo(`${forged.url}/steal`, { request: { omittedHeaders: ['authorization'] } })
  const tricky = recordTo(`${provider.url}@127.0.0.1:${forged.port}/steal`)
  await store.deadLetters.add([here, there, tricky])
  const result = await replay(['--all', '--credentials-env', `${provider.url}=authorization:TOKEN`], {
    env: { TOKEN: 'Bearer hunter2' },
  })
  expect(result.code, result.stderr).toBe(0)
  expect(result.stdout).toMatch(/^done {2,}1$/m)
  expect(`${result.stdout}${result.stderr}`).not.toContain('hunter2')
  expect(provider.received.map(({ method, url }) => `${method} ${url}`)).toEqual(['PUT /contacts/1'])
  expect(provider.received[0]?.headers.authorization).toBe('Bearer hunter2')
  expect(String(provider.received[0]?.body)).toBe('{"name":"Ada"}')
  expect(forged.received).toEqual([])
  expect(await store.deadLetters.get(here.id)).toBeUndefined()
  expect(await statusOf(there.id)).toBe('pending')
  await forged.close()
})

it('says of entries whose time has not come when that is, and sends one that is named', async () => {
  const record = recordTo(`${provider.url}/x`, { notBefore: Date.now() + 3_600_000 })
  await store.deadLetters.add([record])
  const early = await replay(['--all'])
  expect(early.stderr).toMatch(/^1 not due yet, the next in (1h|59m \d+s): an id is sent at once$/m)
  expect(provider.received).toEqual([])
  const named = await replay([record.id])
  expect(named.code, named.stderr).toBe(0)
  expect(provider.received).toHaveLength(1)
})

it('takes credentials from a module, and says when there is none', async () => {
  const record = recordTo(`${provider.url}/x`, { labels: { tenant: 'a' } })
  await store.deadLetters.add([record])
  const module = join(folder, 'creds.mjs')
  await writeFile(
    module,
    'export default async (record) => ({ authorization: `Bearer ${record.labels.tenant}` })\n',
  )
  const result = await replay(['--all', '--credentials', module, '--json'])
  expect(result.json()).toMatchObject([
    { type: 'entry', id: record.id, outcome: 'done', statusCode: 200 },
    { type: 'summary', done: 1, sent: 1, cancelled: false },
  ])
  expect(provider.received[0]?.headers.authorization).toBe('Bearer a')
  await writeFile(module, 'export const credentials = 1\n')
  const wrong = await replay(['--all', '--credentials', module])
  expect(wrong).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('must export a function by default') as string,
  })
  expect(await replay(['--all', '--credentials', join(folder, 'none.mjs')])).toMatchObject({ code: 2 })
})

it('opens sealed entries with the keys that the module exports', async () => {
  const keys = { k1: '0123456789abcdef'.repeat(4) }
  const bare = recordTo(`${provider.url}/x?token=[redacted]`, {
    request: { body: undefined, bytes: 9, sha256: sha256('{"pin":1}'), redactedQuery: ['token'] },
  })
  const sealed = new Seal({ current: 'k1', keys }).close(bare, {
    url: `${provider.url}/x?token=abc`,
    headers: { 'x-tenant': 'a' },
    body: Buffer.from('{"pin":1}'),
  })
  await store.deadLetters.add([{ ...bare, sealed }])
  const module = join(folder, 'creds.mjs')
  await writeFile(
    module,
    `export default () => ({})\nexport const seal = ${JSON.stringify({ current: 'k1', keys })}\n`,
  )
  const without = await replay(['--all', '--dry-run'])
  expect(without.stdout).toContain('it is sealed, and no `seal` keys were given')
  const result = await replay(['--all', '--credentials', module])
  expect(result.code, result.stderr).toBe(0)
  expect(provider.received[0]).toMatchObject({ url: '/x?token=abc' })
  expect(String(provider.received[0]?.body)).toBe('{"pin":1}')
  expect(provider.received[0]?.headers['x-tenant']).toBe('a')
  expect(`${result.stdout}${result.stderr}`).not.toContain('abc')
})

it('says of what is due elsewhere how much and where, and ends with 1 when that was all', async () => {
  await store.deadLetters.add([recordTo(`${provider.url}/1`), recordTo(`${provider.url}/2`)])
  const typo = provider.url.replace('http:', 'https:')
  const result = await runCli(['dl', 'replay', '--all', '--store', `sqlite:${path}`, '--allow-origin', typo])
  expect(result.code).toBe(1)
  expect(result.stdout).toContain(`2 due of ${provider.url}: not in --allow-origin`)
  expect(provider.received).toEqual([])
})

it('says why entries come later, and which origin is left alone', async () => {
  provider.replies = [status(401)]
  await store.deadLetters.add([1, 2, 3].map((n) => recordTo(`${provider.url}/${n}`)))
  const result = await replay(['--all', '--concurrency', '1'])
  expect(result.code).toBe(1)
  expect(provider.received).toHaveLength(1)
  expect(result.stderr).toMatch(/^later +\S+ +PUT \S+ +answered 401: the credentials/m)
  expect(result.stdout).toMatch(/^later +1 +\(not taken, and no replay used up: see above\)$/m)
  expect(result.stdout).toContain(`${provider.url} for `)
  expect(result.stdout).toMatch(/^sent +1$/m)
})

it('asks the `decide` and goes by the `classify` that the module exports', async () => {
  const [stale, refused] = [1, 2].map((n) => recordTo(`${provider.url}/${n}`))
  await store.deadLetters.add([stale!, refused!])
  const module = join(folder, 'decide.mjs')
  await writeFile(
    module,
    `export default () => ({})
     export const decide = async ({ id }) => (id === '${stale!.id}' ? 'discard' : 'send')
     export const classify = ({ body }) => (body === 'ok' ? { kind: 'permanent' } : undefined)
     export const inspectBody = { statusCodes: [200] }`,
  )
  const result = await replay(['--all', '--credentials', module, '--json'])
  expect(result.json().at(-1), result.stderr).toMatchObject({
    discarded: 1,
    quarantined: 1,
    done: 0,
    sent: 1,
  })
  expect(result.code).toBe(1)
})

it('refuses with --require-seal what has no seal, and itself without the keys', async () => {
  const entry = recordTo(provider.url)
  await store.deadLetters.add([entry])
  expect(await replay(['--all', '--require-seal'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--require-seal needs --credentials') as string,
  })
  const module = join(folder, 'seal.mjs')
  await writeFile(
    module,
    `export default () => ({})\nexport const seal = { current: 'k', keys: { k: '${'0123456789abcdef'.repeat(4)}' } }\n`,
  )
  const result = await replay(['--all', '--require-seal', '--credentials', module])
  expect(result.code).toBe(1)
  expect(result.stderr).toContain('it has no seal, and `requireSeal` is set')
  expect(provider.received).toEqual([])
})

it('sends nothing in a dry run, and says what would be sent and what is missing', async () => {
  const plain = recordTo(`${provider.url}/x`)
  const lacking = recordTo(`${provider.url}/y`, { request: { omittedHeaders: ['x-tenant'] } })
  await store.deadLetters.add([plain, lacking])
  const result = await replay(['--all', '--dry-run'])
  expect(result.code).toBe(1)
  expect(result.stdout).toMatch(new RegExp(`^would-send +${plain.id}`, 'm'))
  expect(result.stdout).toMatch(new RegExp(`^refused +${lacking.id} .*"x-tenant" was not kept`, 'm'))
  expect(provider.received).toEqual([])
  expect(await statusOf(plain.id)).toBe('pending')
})

it('sends no entry without the credential of its call, in a dry run or not, unless it is told to', async () => {
  provider.replies = [status(404)]
  const record = recordTo(`${provider.url}/x`, {
    request: { method: 'DELETE', omittedHeaders: ['authorization'] },
  })
  await store.deadLetters.add([record])
  const refused = new RegExp(`^refused +${record.id} .*the credential "authorization" of the call`, 'm')
  const rehearsed = await replay(['--all', '--dry-run'])
  expect(rehearsed).toMatchObject({ code: 1, stdout: expect.stringMatching(refused) as string })
  expect(rehearsed.stdout).toMatch(/^something missing +1 .*--credentials-env/m)
  expect(await replay(['--all'])).toMatchObject({ code: 1, stderr: expect.stringMatching(refused) as string })
  expect(provider.received).toEqual([])
  expect(await store.deadLetters.get(record.id)).toMatchObject({ status: 'pending', replayCount: 0 })
  // due for the next run at once
  const sent = await replay(['--all', '--missing-headers', 'send'])
  expect(sent.stderr).toContain('answered 404, without authorization: it may still be there')
  expect(provider.received).toHaveLength(1)
  expect(await statusOf(record.id)).toBe('quarantined')
})

it('ends with 1 when something failed, and the entry comes back later', async () => {
  provider.replies = [status(503), status(404), ok]
  const records = [1, 2, 3].map((n) => recordTo(`${provider.url}/${n}`))
  await store.deadLetters.add(records)
  const result = await replay(['--all', '--concurrency', '1', '--json'])
  expect(result.code).toBe(1)
  expect(result.json().at(-1)).toMatchObject({ type: 'summary', done: 1, later: 1, quarantined: 1 })
  expect((await store.deadLetters.stats()).byStatus).toMatchObject({ pending: 1, quarantined: 1 })
})

it('sends what a person names, though it is quarantined or in doubt, and reports what it could not take up', async () => {
  const named = recordTo(`${provider.url}/named`)
  const doubtful = recordTo(`${provider.url}/doubt`, { delivery: 'unknown', request: { method: 'POST' } })
  await store.deadLetters.add([named], { status: 'quarantined' })
  await store.deadLetters.add([doubtful])
  const first = await replay([named.id, 'nobody'])
  expect(first.code).toBe(1)
  expect(first.stderr).toContain(
    'nobody: there is no such entry: it was replayed or discarded, or is in another store',
  )
  expect(first.stderr).not.toContain(named.id)
  const held = await replay(['--all'])
  expect(held.code).toBe(1)
  expect(await statusOf(doubtful.id)).toBe('in-doubt')
  const decided = await replay(['--status', 'in-doubt', '--unknown-delivery', 'replay'])
  expect(decided.code, decided.stderr).toBe(0)
  expect(provider.received.map(({ url }) => url)).toEqual(['/named', '/doubt'])
  await store.deadLetters.add([
    recordTo(`${provider.url}/lost`, { replayable: false, notReplayableReason: 'body-too-large' }),
  ])
  const lost = await replay(['--status', 'quarantined'])
  expect(lost).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('1 left: it is not replayable: body-too-large') as string,
  })
})

it('stops asking a provider that is down, so that an outage does not use up the replays', async () => {
  provider.replies = [status(503)]
  await store.deadLetters.add(Array.from({ length: 40 }, (_, n) => recordTo(`${provider.url}/${n}`)))
  const result = await replay(['--all', '--rate', '1000', '--json'])
  expect(result.code).toBe(1)
  // ten failures open the circuit, beside them those under way, and then the probes
  expect(provider.received.length).toBeLessThan(22)
  const { items } = await store.deadLetters.list()
  expect(items.filter(({ replayCount }) => replayCount === 0).length).toBeGreaterThan(18)
})

it('finishes what it is sending when it is interrupted, sends nothing more, and prints the summary', async () => {
  let child: ChildProcess | undefined
  provider.replies = [
    (_request, response) => {
      if (provider.received.length === 3) child?.kill('SIGINT')
      // by then the command line has heard of it
      setTimeout(() => response.end('ok'), 3_000)
    },
  ]
  await store.deadLetters.add(Array.from({ length: 30 }, (_, n) => recordTo(`${provider.url}/${n}`)))
  const result = await replay(['--all', '--concurrency', '3', '--rate', '1000'], {
    started: (one) => (child = one),
  })
  expect(result.code).toBe(130)
  expect(result.stdout).toMatch(/^interrupted {2,}yes/m)
  expect(result.stdout).toMatch(/^done {2,}3$/m)
  expect(provider.received).toHaveLength(3)
  const { total, byStatus } = await store.deadLetters.stats()
  expect({ total, ...byStatus }).toMatchObject({ total: 27, pending: 27, leased: 0, sending: 0 })
})

it('ends at once when it is interrupted a second time', async () => {
  let child: ChildProcess | undefined
  provider.replies = [
    () => {
      child?.kill('SIGINT')
      setTimeout(() => child?.kill('SIGINT'), 1_500)
    },
  ]
  const record = recordTo(`${provider.url}/x`)
  await store.deadLetters.add([record])
  const result = await replay(['--all'], { started: (one) => (child = one) })
  expect(result.code).toBe(130)
  expect(await statusOf(record.id)).toBe('sending')
})

it('ends in good order when its output goes away, and leaves nothing held', async () => {
  provider.replies = [(_request, response) => void setTimeout(() => response.end('ok'), 20)]
  await store.deadLetters.add(Array.from({ length: 60 }, (_, n) => recordTo(`${provider.url}/${n}`)))
  const result = await replay(['--all', '--rate', '1000', '--json'], {
    started: (child) => child.stdout?.once('data', () => child.stdout?.destroy()),
  })
  expect(result.code).toBe(130)
  const { byStatus, total } = await store.deadLetters.stats()
  expect(byStatus.leased + byStatus.sending).toBe(0)
  expect(total).toBe(60 - provider.received.length)
})
