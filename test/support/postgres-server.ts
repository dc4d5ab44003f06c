import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

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

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

const how =
  'These tests need a real PostgreSQL >= 13: `initdb` and `postgres` on PATH, or below /usr/lib/postgresql: ' +
  '`apt-get install postgresql`, `brew install postgresql`, or https://www.postgresql.org/download/.'

let found: string | undefined

/** The folder of `initdb` and `postgres`: of PATH, else of Debian's newest, else installed by apt where we are root. */
function binaries(): string {
  found ??= folder() ?? install()
  return found
}

function folder(): string | undefined {
  const { status, stdout } = spawnSync('sh', ['-c', 'command -v postgres initdb'], { encoding: 'utf8' })
  const [postgres, initdb] = stdout.trim().split('\n')
  if (status === 0 && postgres !== undefined && initdb === postgres.replace(/postgres$/, 'initdb')) {
    return postgres.replace(/\/postgres$/, '')
  }
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : []
  return versions
    .map((version) => join(debian, version, 'bin'))
    .find((bin) => existsSync(join(bin, 'initdb')))
}

function install(): string {
  if (process.getuid?.() !== 0 || spawnSync('sh', ['-c', 'command -v apt-get']).status !== 0) {
    throw new Error(how)
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const lock = ['-o', 'DPkg::Lock::Timeout=300']
  spawnSync('apt-get', [...lock, 'update'], { env, stdio: 'ignore' })
  const args = [...lock, 'install', '-y', '--no-install-recommends', 'postgresql']
  const { status, stderr } = spawnSync('apt-get', args, { env, encoding: 'utf8' })
  const bin = folder()
  if (bin === undefined) {
    throw new Error(`${how}\napt-get install ended with ${status}: ${stderr.slice(-500)}`)
  }
  return bin
}

/** PostgreSQL refuses to run as root. */
export function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const id = (...args: string[]): number => Number(spawnSync('id', args, { encoding: 'utf8' }).stdout)
  return { uid: id('-u', 'nobody'), gid: id('-g', 'nobody') }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

async function launch(dir: string, port: number, args: readonly string[]): Promise<ChildProcess> {
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'fsync=off',
    'max_connections=200',
    ...args,
  ]
  const child = spawn(
    join(binaries(), 'postgres'),
    ['-D', dir, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])],
    { stdio: ['ignore', 'ignore', 'pipe'], ...unprivileged() },
  )
  running.add(child)
  let output = ''
  child.stderr?.on('data', (chunk: Buffer) => void (output = (output + chunk.toString()).slice(-4_000)))
  child.once('exit', () => running.delete(child))
  for (const start = Date.now(); Date.now() - start < 30_000; await sleep(20)) {
    if (child.exitCode !== null) throw new Error(`postgres on port ${port} ended at start:\n${output}`)
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
      return child
    } catch {
      // it is still starting, or the port was taken by another process, and it ends
    } finally {
      await client.end().catch(() => undefined)
    }
  }
  child.kill('SIGKILL')
  throw new Error(`postgres on port ${port} did not answer within 30 s:\n${output}`)
}

async function end(child: ChildProcess, signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  // one that is frozen hears nothing else
  child.kill('SIGCONT')
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  const late = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await gone
  clearTimeout(late)
}

/**
 * Starts a server on a free port with its own directory, and waits until it answers.
 * @param args settings: `['wal_level=logical']`
 * @example
 * const server = await startPostgres()
 * const pool = new pg.Pool({ connectionString: server.url })
 * // ...
 * await pool.end()
 * await server.stop()
 */
export function startPostgres(args: readonly string[] = []): Promise<RunningPostgres> {
  const how = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
  return startFrom('initdb', how, args)
}

/** Starts a standby of a server, which follows it until `SELECT pg_promote()`. */
export function startStandby({ port }: RunningPostgres): Promise<RunningPostgres> {
  const from = ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres']
  return startFrom('pg_basebackup', [...from, '-R', '-X', 'stream', '-c', 'fast'], [])
}

/** @param tool what makes the folder */
async function startFrom(
  tool: 'initdb' | 'pg_basebackup',
  toolArgs: readonly string[],
  args: readonly string[],
): Promise<RunningPostgres> {
  const dir = mkdtempSync(join(tmpdir(), 'undici-resilience-postgres-'))
  const user = unprivileged()
  if (user !== undefined) chownSync(dir, user.uid, user.gid)
  const made = spawnSync(join(binaries(), tool), ['-D', dir, ...toolArgs], { encoding: 'utf8', ...user })
  if (made.status !== 0) throw new Error(`${tool} ended with ${made.status}: ${made.stderr}`)
  let port = await freePort()
  let child: ChildProcess | undefined
  for (let attempt = 1; child === undefined; attempt++) {
    try {
      child = await launch(dir, port, args)
    } catch (error) {
      // between finding a free port and binding it another process may take it
      if (attempt === 5 || !/in use/.test(String(error))) throw error
      port = await freePort()
    }
  }
  let current = child
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
      current = await launch(dir, port, args)
    },
    async freeze() {
      const client = new pg.Client(url)
      client.on('error', () => undefined)
      await client.connect()
      const { rows } = await client.query<{ pid: number }>(
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
      )
      await client.end()
      frozen = [current.pid!, ...rows.map(({ pid }) => pid)]
      for (const pid of frozen) signal(pid, 'SIGSTOP')
    },
    thaw() {
      for (const pid of frozen.splice(0)) signal(pid, 'SIGCONT')
    },
  }
}

function signal(pid: number, name: 'SIGSTOP' | 'SIGCONT'): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    // a session that has ended meanwhile
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
