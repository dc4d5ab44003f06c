import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, Redis } from 'ioredis'
import { Agent, request } from 'undici'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { circuitBreaker } from '../../../src/circuit/interceptor.ts'
import { resolveCircuitBreakerOptions } from '../../../src/circuit/options.ts'
import { redisStore } from '../../../src/entries/redis.ts'
import { makeRecord } from '../../../src/testing/contracts/records.ts'
import { ok, startProvider, status } from '../../support/calls/provider.ts'
import { type CliResult, runCli } from '../../support/processes/cli.ts'
import { certificateFiles } from '../../support/servers/certificate.ts'
import {
  type RunningRedis,
  startRedis,
  startRedisCluster,
  startSecureRedis,
} from '../../support/servers/redis-server.ts'

let server: RunningRedis
let client: Redis
let store: ReturnType<typeof redisStore>

beforeAll(async () => {
  server = await startRedis()
})

afterAll(() => server.stop())

beforeEach(async () => {
  client = new Redis(server.url)
  await client.flushall()
  store = redisStore(client)
})

afterEach(async () => {
  await store.close()
  await client.quit()
})

function cli(args: string[], options: Parameters<typeof runCli>[1] = {}): Promise<CliResult> {
  return runCli(args, { ...options, env: { UNDICI_RESILIENCE_STORE: server.url, ...options.env } })
}

async function until(condition: () => boolean): Promise<void> {
  for (const start = performance.now(); !condition(); await sleep(10)) {
    if (performance.now() - start > 5_000) throw new Error('it did not come about within 5 s')
  }
}

const key = 'https://api.example.com'

describe('a store behind TLS', () => {
  it('is reached by rediss:// when its authority is known, and else the reason is said without the password', async () => {
    const certificate = await certificateFiles()
    const secure = await startSecureRedis(certificate)
    await secure.cli('ACL', 'SETUSER', 'default', '>hunter2')
    const env = { UNDICI_RESILIENCE_STORE: `rediss://:hunter2@localhost:${secure.tlsPort}` }
    const unknown = await cli(['doctor'], { env })
    expect(unknown).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('self-signed certificate') as string,
    })
    expect(unknown.stderr).not.toContain('hunter2')
    const trusted = { ...env, NODE_EXTRA_CA_CERTS: certificate.cert }
    expect((await cli(['dead-letters', 'stats', '--json'], { env: trusted })).json()).toMatchObject([
      { total: 0 },
    ])
    expect((await cli(['circuits', 'isolate', key], { env: trusted })).code).toBe(0)
    expect((await cli(['circuits', 'list', '--json'], { env: trusted })).json()).toMatchObject([
      { key, override: 'isolated' },
    ])
    await secure.stop()
    await certificate.remove()
  })
})

describe('circuits', () => {
  it('overrules a circuit in every process', async () => {
    await store.circuits.reset(key)
    expect(await cli(['circuits', 'isolate', key])).toMatchObject({
      code: 0,
      stdout: `${key} is isolated\n`,
      stderr: '',
    })
    await until(() => store.circuits.state(key).override === 'isolated')
    expect((await cli(['circuits', 'force-close', key, '--json'])).json()).toMatchObject([
      { key, override: 'forced-closed' },
    ])
    await until(() => store.circuits.state(key).override === 'forced-closed')
    expect(await cli(['circuits', 'reset', key])).toMatchObject({ code: 0, stdout: `${key} is closed\n` })
    await until(() => store.circuits.state(key).override === undefined)
    expect((await cli(['circuits', 'isolate', 'https://typo.example.com'])).stderr).toContain(
      'No process has used',
    )
  })

  it('stops all circuits of an origin, however it is spelled, and names them', async () => {
    const { policy } = resolveCircuitBreakerOptions({})
    const circuits = ['#a', '#b'].map((hash) => store.circuits.circuit(`${key}${hash}`, policy))
    await until(() => circuits.every(({ shared }) => shared?.reached === true))
    expect(await cli(['circuits', 'isolate', `${key.toUpperCase()}:443/`])).toMatchObject({
      code: 0,
      stdout: `${key} is isolated, with its 2 circuits #a, #b\n`,
      stderr: '',
    })
    await until(() => circuits.every(({ passing }) => !passing))
    expect((await cli(['circuits', 'list', '--json'])).json()).toMatchObject([
      { key, override: 'isolated' },
      { key: `${key}#a`, state: 'open', override: 'isolated' },
      { key: `${key}#b`, state: 'open', override: 'isolated' },
    ])
    expect((await cli(['circuits', 'reset', `${key}#a`])).stdout).toBe(`${key}#a is isolated\n`)
    await store.circuits.isolate(`${key}#a`)
    expect((await cli(['circuits', 'reset', key, '--json'])).json()).toMatchObject([
      { key, state: 'closed', beneath: [`${key}#a`, `${key}#b`] },
    ])
    await until(() => circuits.every(({ passing }) => passing))
  })

  it('refuses a url or a host of which calls use the origin, and says of a key that nobody uses that nothing is stopped', async () => {
    await store.circuits.reset(`${key}#a`)
    for (const other of [`${key}/crm/v3`, new URL(key).host]) {
      expect(await cli(['circuits', 'isolate', other])).toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringContaining(`did you mean ${key}?`) as string,
      })
    }
    const unknown = await cli(['circuits', 'isolate', 'https://typo.example.com/v1'])
    expect(unknown.code).toBe(0)
    expect(unknown.stderr).toContain('nothing is changed by it now')
  })

  it('lists the circuits of all processes, and survives keys that are not ours', async () => {
    const odd = 'a key with spaces'
    await store.circuits.isolate(key)
    await store.circuits.forceClose(odd)
    await client.set('undici-resilience:1:{forged}:s', 'no hash')
    await client.hset('undici-resilience:1:{\u001b[2J}:s', {
      ep: '1',
      st: 'o',
      due: '0',
      n: '0',
      ov: 'i',
      by: 'x',
    })
    await store.deadLetters.add([makeRecord()])
    const json = await cli(['circuits', 'list', '--json'])
    expect(json.code).toBe(0)
    expect(json.json()).toMatchObject([
      { key: '\u001b[2J' },
      { key, state: 'open', override: 'isolated' },
      { key: expect.stringMatching(/^sha256-/) as string, state: 'closed', override: 'forced-closed' },
    ])
    const table = await cli(['circuits', 'list'])
    expect(table.stdout).toMatch(/^isolated .* https:\/\/api\.example\.com$/m)
    expect(`${json.stdout}${table.stdout}`).not.toMatch(/\u001b/)
    // the name that stands for the odd key can be used as it is shown
    const shown = String(json.json()[2]?.['key'])
    expect(await cli(['circuits', 'reset', shown])).toMatchObject({ code: 0, stderr: '' })
    await until(() => store.circuits.state(odd).override === undefined)
  })

  it('watches transitions as they happen', async () => {
    await store.circuits.reset(key)
    let seen = ''
    const result = await cli(['circuits', 'watch'], {
      started: (child) => {
        child.stdout?.on('data', (text: string) => {
          if (seen === '') void store.circuits.isolate(key)
          seen += text
          if (seen.includes('isolated')) child.kill('SIGINT')
        })
      },
    })
    expect(result.code).toBe(0)
    expect(
      result.stdout
        .trim()
        .split('\n')
        .map((line) => line.split(/\s{2,}/)[1]),
    ).toEqual(['closed', 'isolated'])
  })
})

describe('dead letters', () => {
  it('are listed, shown, edited, exported, imported and discarded as in SQLite', async () => {
    const record = makeRecord({
      labels: { tenant: 'a' },
      idempotencyKey: 'old',
      idempotencyHeader: 'idempotency-key',
    })
    await store.deadLetters.add([record, makeRecord()])
    expect((await cli(['dl', 'list', '--label', 'tenant=a', '--json'])).json()).toMatchObject([
      { id: record.id },
    ])
    expect((await cli(['dl', 'show', record.id])).stdout).toContain('| {"name":"Ada"}')
    const edited = await cli(['dl', 'edit', record.id, '--url', '/v2', '--yes', '--json'])
    expect(edited.json(), edited.stderr).toMatchObject([{ status: 'quarantined', editedFrom: record.id }])
    const exported = await cli(['dl', 'export'])
    expect(exported.json()).toHaveLength(2)
    expect((await cli(['dl', 'discard', '--all', '--yes', '--json'])).json()).toEqual([
      { discarded: 2, left: 0 },
    ])
    const imported = await cli(['dl', 'import', '-', '--new-ids', '--json'], { input: exported.stdout })
    expect(imported.json(), imported.stderr).toMatchObject([{ imported: 2, invalid: 0 }])
    expect((await cli(['dl', 'stats', '--json'])).json()).toMatchObject([
      { total: 2, byStatus: { quarantined: 2 } },
    ])
  })

  it('are not sent through a circuit that is open for all', async () => {
    const provider = await startProvider()
    const record = makeRecord({ request: { url: `${provider.url}/x` } })
    await store.deadLetters.add([record])
    await store.circuits.isolate(provider.url)
    const args = ['dl', 'replay', '--all', '--allow-origin', provider.url, '--json']
    const refused = await cli(args)
    expect(refused.json().at(-1), refused.stderr).toMatchObject({ later: 1, done: 0 })
    expect(refused.code).toBe(1)
    expect(provider.received).toEqual([])
    await store.circuits.reset(provider.url)
    const sent = await cli(['dl', 'replay', record.id, '--allow-origin', provider.url, '--json'])
    expect(sent.json().at(-1), sent.stderr).toMatchObject({ later: 0, done: 1 })
    expect(provider.received).toHaveLength(1)
    await provider.close()
  })

  it('probe a circuit whose time is up, and count nothing in a closed one', async () => {
    const provider = await startProvider(status(500), ok)
    const breaker = circuitBreaker({ store, failureThreshold: 1, failureRate: 0, timeoutMs: 300 })
    const dispatcher = new Agent().compose(breaker)
    await request(provider.url, { dispatcher })
    await until(() => store.circuits.state(provider.url).state === 'open')
    await sleep(400)
    await store.deadLetters.add(
      [1, 2, 3].map((n) => makeRecord({ request: { url: `${provider.url}/${n}` } })),
    )
    const args = ['dl', 'replay', '--all', '--allow-origin', provider.url, '--concurrency', '1', '--json']
    const probed = await cli(args)
    expect(probed.json().at(-1), probed.stderr).toMatchObject({ done: 3 })
    await until(() => store.circuits.state(provider.url).state === 'closed')
    await store.circuits.flush()
    expect(await client.keys('*}:w')).toEqual([])
    await dispatcher.close()
    await provider.close()
  })

  it('of a damaged stream are named, and the rest goes on', async () => {
    const [good, bad] = [makeRecord(), makeRecord()]
    await store.deadLetters.add([good, bad])
    await client.hset('undici-resilience:1:{dead-letters}:states', bad.id, '\u001b[2Jnonsense')
    const list = await cli(['dl', 'list', '--json'])
    expect(list.json()).toMatchObject([{ id: good.id }])
    expect(list.stderr).toContain(`${bad.id} cannot be read`)
    expect(list.code).toBe(1)
  })
})

describe('the server', () => {
  it('is checked by doctor', async () => {
    const evicting = await startRedis({
      args: ['--maxmemory-policy', 'allkeys-lru', '--requirepass', 'hunter2'],
    })
    try {
      const url = `redis://:hunter2@127.0.0.1:${evicting.port}`
      const result = await runCli(['doctor', '--store', url, '--json'])
      const found = Object.fromEntries(result.json().map(({ check, level }) => [String(check), level]))
      expect(found).toMatchObject({
        server: 'ok',
        role: 'ok',
        'maxmemory-policy': 'warn',
        persistence: 'warn',
        keys: 'ok',
        latency: 'ok',
        'clock skew': 'ok',
      })
      expect(result.code).toBe(0)
      const denied = await runCli(['doctor', '--store', `redis://:hunter3@127.0.0.1:${evicting.port}`])
      expect(denied).toMatchObject({ code: 3, stderr: expect.stringContaining('WRONGPASS') as string })
      expect(`${result.stdout}${result.stderr}${denied.stdout}${denied.stderr}`).not.toMatch(/hunter[23]/)
    } finally {
      await evicting.stop()
    }
  })

  it('needs ioredis, and says so when it is not installed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cli-redis-'))
    const hook = `data:text/javascript,${encodeURIComponent(`
      import { registerHooks } from 'node:module'
      registerHooks({ resolve(name, context, next) {
        if (name === 'ioredis') throw Object.assign(new Error('not found'), { code: 'ERR_MODULE_NOT_FOUND' })
        return next(name, context)
      } })`)}`
    const result = await cli(['dl', 'list'], { env: { NODE_OPTIONS: `--import ${hook}` } })
    expect(result).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('npm install ioredis') as string,
    })
    await rm(folder, { recursive: true })
  })

  it('may be a cluster: each of its nodes is looked at', async () => {
    const cluster = await startRedisCluster()
    const cluster1 = new Cluster([cluster.startupNodes[0]!])
    const shared = redisStore(cluster1)
    try {
      const keys = Array.from({ length: 12 }, (_, n) => `https://api-${n}.example.com`)
      await shared.deadLetters.add([makeRecord()])
      await until(() => cluster1.status === 'ready')
      for (const one of keys) await shared.circuits.reset(one)
      const env = { UNDICI_RESILIENCE_STORE: cluster.nodes[1]!.url }
      expect((await runCli(['circuits', 'isolate', keys[0]!], { env })).code).toBe(0)
      const list = await runCli(['circuits', 'list', '--json'], { env })
      expect(list.json().map((circuit) => circuit['key'])).toEqual([...keys].sort())
      expect(list.json().filter(({ override }) => override === 'isolated')).toMatchObject([{ key: keys[0] }])
      expect((await runCli(['dl', 'list', '--json'], { env })).json()).toHaveLength(1)
      const doctor = await runCli(['doctor', '--json'], { env })
      expect(doctor.json().filter(({ check }) => String(check).endsWith('maxmemory-policy'))).toHaveLength(3)
    } finally {
      await shared.close()
      cluster1.disconnect()
      await cluster.stop()
    }
  })
})
