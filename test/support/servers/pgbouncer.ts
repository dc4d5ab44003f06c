import { chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { binarySource, onPath } from './binary.ts'
import { freePort } from './free-port.ts'
import { end, ownChild } from './own-child.ts'
import { type RunningPostgres, unprivileged } from './postgres-server.ts'

/** A pooler in transaction mode before a server, with few connections to it. */
export interface RunningPgbouncer {
  readonly url: string
  stop(): Promise<void>
}

const binary = binarySource({
  find: () => onPath('pgbouncer') ?? ['/usr/sbin/pgbouncer'].find((path) => existsSync(path)),
  debian: 'pgbouncer',
  how: 'These tests need pgbouncer on PATH: `apt-get install pgbouncer`, `brew install pgbouncer`.',
})

export async function startPgbouncer({ port }: RunningPostgres): Promise<RunningPgbouncer> {
  const folder = mkdtempSync(join(tmpdir(), 'undici-resilience-pgbouncer-'))
  const own = await freePort()
  const config = join(folder, 'pgbouncer.ini')
  writeFileSync(
    config,
    `[databases]
postgres = host=127.0.0.1 port=${port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${own}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 200
`,
  )
  const user = unprivileged()
  if (user !== undefined) for (const path of [folder, config]) chownSync(path, user.uid, user.gid)
  const pooler = ownChild(binary(), [config], user)
  const url = `postgres://postgres@127.0.0.1:${own}/postgres`
  for (const start = Date.now(); ; await sleep(20)) {
    const client = new pg.Client(url)
    client.on('error', () => undefined)
    try {
      await client.connect()
      await client.query('SELECT 1')
      break
    } catch (error) {
      // it is still starting
      if (pooler.ended() || Date.now() - start > 10_000) throw error
    } finally {
      await client.end().catch(() => undefined)
    }
  }
  return {
    url,
    async stop() {
      await end(pooler, 'SIGTERM')
      rmSync(folder, { recursive: true })
    },
  }
}
