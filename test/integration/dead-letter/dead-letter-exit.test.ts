import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { startRedis } from '../../support/servers/redis-server.ts'

it(
  'lets the process exit after close, with Redis up or gone, and keeps what it captured',
  { timeout: 60_000 },
  async () => {
    const server = await startRedis()
    const folder = await mkdtemp(join(tmpdir(), 'exit-'))
    const root = new URL('../../../', import.meta.url).pathname
    const script = (url: string, storeTimeoutMs: number): string => `
    import { Redis } from 'ioredis'
    import { Agent, request } from 'undici'
    import { deadLetter } from '${root}src/dead-letter/interceptor.ts'
    import { startReplayer } from '${root}src/replay.ts'
    import { redisStore } from '${root}src/entries/redis.ts'
    import { sqliteStore } from '${root}src/entries/sqlite.ts'
    const client = new Redis('${url}', { lazyConnect: true })
    const store = redisStore(client)
    const spool = sqliteStore('${join(folder, 'spool.db')}')
    const letters = deadLetter({ store, spool: spool.deadLetters, storeTimeoutMs: ${storeTimeoutMs} })
    const replayer = startReplayer(letters.deadLetters, { allowedOrigins: ['http://127.0.0.1:1'] })
    const agent = new Agent().compose(letters)
    await request('http://127.0.0.1:1/', { method: 'PUT', body: 'x', dispatcher: agent }).catch(() => undefined)
    await letters.close()
    await replayer.close()
    const { total } = await spool.deadLetters.stats()
    await store.close()
    await spool.close()
    await agent.close()
    process.stdout.write('in the spool: ' + total)
  `
    const run = (url: string, storeTimeoutMs: number): Promise<string> =>
      new Promise((resolve, reject) => {
        const args = [
          '--import',
          './test/support/register.ts',
          '--input-type=module-typescript',
          '-e',
          script(url, storeTimeoutMs),
        ]
        const child = spawn(process.execPath, args, { cwd: root })
        let output = ''
        const timer = setTimeout(() => {
          child.kill('SIGKILL')
          reject(new Error(`it did not exit; it said: ${output}`))
        }, 25_000)
        child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
        // Node 22 says there that SQLite is experimental
        child.stderr.resume()
        child.once('close', () => {
          clearTimeout(timer)
          resolve(output)
        })
      })
    expect(await run(server.url, 20_000)).toBe('in the spool: 0')
    expect(await server.cli('hget', 'undici-resilience:1:{dead-letters}:totals', 'captured')).toBe('1')
    expect(await run('redis://127.0.0.1:1', 300)).toBe('in the spool: 1')
    await server.stop()
    await rm(folder, { recursive: true })
  },
)
