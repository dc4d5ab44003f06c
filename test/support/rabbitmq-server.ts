import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import amqp from 'amqplib'

/** A real RabbitMQ of the test's own: free ports, own directory and node name, gone with the test. Takes some 4 s to start. */
export interface RunningRabbitmq {
  readonly port: number
  /** `amqp://guest:guest@127.0.0.1:<port>` */
  readonly url: string
  /** Ends the server and removes its files. May be called twice. */
  stop(): Promise<void>
  /** Ends it as a crash would (SIGKILL); its files stay for a `restart`. */
  kill(): Promise<void>
  /** Starts it again on the same port, with what it had written down. */
  restart(): Promise<void>
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) signal(child, 'SIGKILL')
})

const how =
  'These tests need a real rabbitmq-server >= 3.10 on PATH, or below /usr/lib/rabbitmq: ' +
  '`apt-get install rabbitmq-server`, `brew install rabbitmq`, or https://www.rabbitmq.com/docs/download.'

let found: string | undefined

/** The start script itself: Debian's wrapper on PATH goes to the directories of the one system-wide node. */
function binary(): string {
  found ??= find() ?? install()
  return found
}

function find(): string | undefined {
  const debian = '/usr/lib/rabbitmq/bin/rabbitmq-server'
  if (existsSync(debian)) return debian
  const { status, stdout } = spawnSync('sh', ['-c', 'command -v rabbitmq-server'], { encoding: 'utf8' })
  return status === 0 && stdout.trim() !== '' ? stdout.trim() : undefined
}

function install(): string {
  if (process.getuid?.() !== 0 || spawnSync('sh', ['-c', 'command -v apt-get']).status !== 0) {
    throw new Error(how)
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const lock = ['-o', 'DPkg::Lock::Timeout=300']
  spawnSync('apt-get', [...lock, 'update'], { env, stdio: 'ignore' })
  const args = [...lock, 'install', '-y', '--no-install-recommends', 'rabbitmq-server']
  const { status, stderr } = spawnSync('apt-get', args, { env, encoding: 'utf8' })
  const path = find()
  if (path === undefined) {
    throw new Error(`${how}\napt-get install ended with ${status}: ${stderr.slice(-500)}`)
  }
  return path
}

async function freePort(): Promise<number> {
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

interface Place {
  readonly dir: string
  readonly port: number
  readonly distPort: number
  /** Of the name server of Erlang, one of our own: a node would start one that outlives it. */
  readonly epmdPort: number
}

function startEpmd(port: number): ChildProcess {
  const child = spawn('epmd', ['-port', String(port), '-address', '127.0.0.1'], {
    detached: true,
    stdio: 'ignore',
  })
  running.add(child)
  child.once('error', () => running.delete(child))
  child.once('exit', () => running.delete(child))
  return child
}

async function launch({ dir, port, distPort, epmdPort }: Place): Promise<ChildProcess> {
  const child = spawn(binary(), [], {
    // Erlang starts helpers of its own: they go with the group
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      HOME: dir,
      ERL_EPMD_PORT: String(epmdPort),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      RABBITMQ_NODENAME: `test-${port}@localhost`,
      RABBITMQ_NODE_PORT: String(port),
      RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
      RABBITMQ_DIST_PORT: String(distPort),
      RABBITMQ_MNESIA_BASE: join(dir, 'data'),
      RABBITMQ_LOG_BASE: join(dir, 'log'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(dir, 'plugins'),
      RABBITMQ_CONFIG_FILE: join(dir, 'rabbitmq'),
      RABBITMQ_GENERATED_CONFIG_DIR: join(dir, 'generated'),
      RABBITMQ_PID_FILE: join(dir, 'pid'),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1} +S 1:1',
    },
  })
  running.add(child)
  let output = ''
  const note = (chunk: Buffer): void => void (output = (output + chunk.toString()).slice(-4_000))
  child.stdout.on('data', note)
  child.stderr.on('data', note)
  child.once('exit', () => running.delete(child))
  for (const start = Date.now(); Date.now() - start < 60_000; await sleep(50)) {
    if (child.exitCode !== null) throw new Error(`rabbitmq-server on port ${port} ended at start:\n${output}`)
    try {
      const connection = await amqp.connect(`amqp://guest:guest@127.0.0.1:${port}`)
      await connection.close()
      return child
    } catch {
      // it is still starting
    }
  }
  signal(child, 'SIGKILL')
  throw new Error(`rabbitmq-server on port ${port} did not answer within 60 s:\n${output}`)
}

/** To the whole group: the shell that starts it, the node and its helpers. */
function signal(child: ChildProcess, name: 'SIGTERM' | 'SIGKILL'): void {
  if (child.pid === undefined) return // it never started
  try {
    process.kill(-child.pid, name)
  } catch (error) {
    // all of them are gone
    if ((error as { code?: unknown }).code !== 'ESRCH') throw error
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
    const gone = new Promise((resolve) => child.once('exit', resolve))
    signal(child, 'SIGKILL')
    await gone
  }
  signal(child, 'SIGKILL')
}

/**
 * Starts a server on free ports with its own directory, and waits until it answers.
 * @example
 * const rabbitmq = await startRabbitmq()
 * const connection = await amqp.connect(rabbitmq.url)
 * // ...
 * await connection.close()
 * await rabbitmq.stop()
 */
export async function startRabbitmq(): Promise<RunningRabbitmq> {
  const dir = mkdtempSync(join(tmpdir(), 'undici-resilience-rabbitmq-'))
  writeFileSync(join(dir, 'plugins'), '[].')
  writeFileSync(
    join(dir, 'rabbitmq.conf'),
    ['disk_free_limit.absolute = 1MB', 'vm_memory_high_watermark.relative = 0.9', ''].join('\n'),
  )
  const place = { dir, port: await freePort(), distPort: await freePort(), epmdPort: await freePort() }
  const epmd = startEpmd(place.epmdPort)
  let current = await launch(place)
  return {
    port: place.port,
    url: `amqp://guest:guest@127.0.0.1:${place.port}`,
    async stop() {
      await end(current)
      await end(epmd)
      rmSync(dir, { recursive: true, force: true })
    },
    kill: () => end(current),
    async restart() {
      await end(current)
      current = await launch(place)
    },
  }
}
