import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { binarySource, onPath } from './binary.ts'
import { onFreePort } from './free-port.ts'
import { end, ownChild, type OwnChild, signal } from './own-child.ts'

/** A real PostgreSQL of the test's own: free port, own directory, gone with the test. */
export interface RunningPostgres {
  readonly port: number
  /** Of a superuser, without a password. */
  readonly url: string
  /** Ends the server in good order and removes its files. May be called twice. */
  stop(): Promise<void>
  /** Ends it as a crash would; its files stay for a `restart`. */
  kill(): Promise<void>
  /** Starts it again on the same port. */
  restart(): Promise<void>
  /** Stops it and all its sessions where they are: connections stand, and nothing is answered. */
  freeze(): Promise<void>
  /** Ends `freeze`. */
  thaw(): void
}

/** The folder of `initdb` and `postgres`: of PATH, else of Debian's newest. */
const binaries = binarySource({
  find: folder,
  debian: 'postgresql',
  how:
    'These tests need a real PostgreSQL >= 13: `initdb` and `postgres` on PATH, or below /usr/lib/postgresql: ' +
    '`apt-get install postgresql`, `brew install postgresql`, or https://www.postgresql.org/download/.',
})

function folder(): string | undefined {
  const [postgres, initdb] = [onPath('postgres'), onPath('initdb')]
  if (postgres !== undefined && initdb === postgres.replace(/postgres$/, 'initdb')) {
    // links of these two may stand alone: the other programs lie where they lead to
    return dirname(realpathSync(postgres))
  }
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : []
  return versions
    .map((version) => join(debian, version, 'bin'))
    .find((bin) => existsSync(join(bin, 'initdb')))
}

/** PostgreSQL refuses to run as root. */
export function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const id = (...args: string[]): number => Number(spawnSync('id', args, { encoding: 'utf8' }).stdout)
  return { uid: id('-u', 'nobody'), gid: id('-g', 'nobody') }
}

async function launch(
  dir: string,
  port: number,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<OwnChild> {
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'fsync=off',
    'max_connections=200',
    ...args,
  ]
  const server = ownChild(
    join(binaries(), 'postgres'),
    ['-D', dir, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])],
    { ...unprivileged(), env: { ...process.env, ...env } },
  )
  for (const start = Date.now(); Date.now() - start < 30_000; await sleep(20)) {
    if (server.ended()) throw new Error(`postgres on port ${port} ended at start:\n${server.output()}`)
    const client = new pg.Client({
      host: '127.0.0.1',
      port,
      user: 'postgres',
      connectionTimeoutMillis: 2_000,
    })
    client.on('error', () => undefined)
    try {
      await client.connect()
      await client.query('SELECT 1')
      return server
    } catch {
      // it is still starting, or the port was taken by another process, and it ends
    } finally {
      await client.end().catch(() => undefined)
    }
  }
  await end(server, 'SIGKILL')
  throw new Error(`postgres on port ${port} did not answer within 30 s:\n${server.output()}`)
}

/**
 * Starts a server on a free port with its own directory, and waits until it answers.
 * @param args settings: `['wal_level=logical']`
 * @param env its environment beside that of this process
 * @example
 * const server = await startPostgres()
 * const pool = new pg.Pool({ connectionString: server.url })
 * // ...
 * await pool.end()
 * await server.stop()
 */
export function startPostgres(
  args: readonly string[] = [],
  env?: Readonly<Record<string, string>>,
): Promise<RunningPostgres> {
  const how = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
  return startFrom('initdb', how, args, env)
}

/** Starts a standby of a server, which follows it until `SELECT pg_promote()`. */
export function startStandby({ port }: RunningPostgres): Promise<RunningPostgres> {
  const from = ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres']
  return startFrom('pg_basebackup', [...from, '-R', '-X', 'stream', '-c', 'fast'], [])
}

/** Not in this process's own time: what it serves goes on meanwhile. */
async function makeFolder(tool: string, args: readonly string[]): Promise<void> {
  const child = spawn(join(binaries(), tool), args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    ...unprivileged(),
  })
  const ended = once(child, 'close') as Promise<[number | null]>
  const [said, [status]] = await Promise.all([text(child.stderr), ended])
  if (status !== 0) throw new Error(`${tool} ended with ${String(status)}: ${said}`)
}

/** @param tool what makes the folder */
async function startFrom(
  tool: 'initdb' | 'pg_basebackup',
  toolArgs: readonly string[],
  args: readonly string[],
  env?: Readonly<Record<string, string>>,
): Promise<RunningPostgres> {
  const dir = mkdtempSync(join(tmpdir(), 'undici-resilience-postgres-'))
  const user = unprivileged()
  if (user !== undefined) chownSync(dir, user.uid, user.gid)
  await makeFolder(tool, ['-D', dir, ...toolArgs])
  const { port, started } = await onFreePort((on) => launch(dir, on, args, env))
  let current = started
  let frozen: number[] = []
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  return {
    port,
    url,
    async stop() {
      await end(current, 'SIGINT')
      rmSync(dir, { recursive: true, force: true })
    },
    kill: () => end(current, 'SIGQUIT'),
    async restart() {
      await end(current, 'SIGQUIT')
      current = await launch(dir, port, args, env)
    },
    async freeze() {
      const client = new pg.Client(url)
      client.on('error', () => undefined)
      await client.connect()
      const { rows } = await client.query<{ pid: number }>(
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
      )
      await client.end()
      frozen = [current.child.pid!, ...rows.map(({ pid }) => pid)]
      for (const pid of frozen) signal(pid, 'SIGSTOP')
    },
    thaw() {
      for (const pid of frozen.splice(0)) signal(pid, 'SIGCONT')
    },
  }
}
