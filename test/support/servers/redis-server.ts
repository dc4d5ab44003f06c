import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { binarySource, onPath } from './binary.ts'
import { freePort, onFreePort } from './free-port.ts'
import { end, ownChild, type OwnChild } from './own-child.ts'

/** A real `redis-server` of the test's own: free port, own directory, nothing persisted unless asked. */
export interface RunningRedis {
  readonly port: number
  /** `redis://127.0.0.1:<port>` */
  readonly url: string
  /** Of the server that runs now; another one after `restart`. */
  readonly pid: number
  /** Where it keeps its files; removed by `stop` and `kill`. */
  readonly dir: string
  /** Ends the server in good order. May be called twice. */
  stop(): Promise<void>
  /** Ends it as a crash would (SIGKILL). With `keepDir` its files stay for a `restart`. */
  kill(options?: { keepDir?: boolean }): Promise<void>
  /** Starts it again on the same port after `kill` or `stop`; empty unless `args` turned persistence on and the files were kept. */
  restart(): Promise<void>
  /** Freezes the server (SIGSTOP): connections stay open and nothing answers. */
  freeze(): void
  /** Ends `freeze`. */
  thaw(): void
  /** Sends one command on a connection of its own and gives the reply as `redis-cli` prints it. */
  cli(...args: string[]): Promise<string>
}

interface StartRedisOptions {
  /** Further arguments of `redis-server`: `['--maxmemory', '2mb']`. */
  args?: string[]
  /** A configuration file's text, which a sentinel needs: it writes to it. */
  config?: string
  /** Default: a free one. */
  port?: number
}

/** The path of `redis-server`. */
const redisBinary = binarySource({
  find: () => onPath('redis-server'),
  debian: 'redis-server',
  how:
    'These tests need a real redis-server >= 7.0 (or valkey-server linked under that name) on PATH: ' +
    '`apt-get install redis-server`, `brew install redis`, or https://redis.io/docs/install.',
})

/** The reply to one inline command, or `undefined` when nobody answers in time. */
function ask(port: number, command: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const done = (reply: string | undefined): void => {
      socket.destroy()
      resolve(reply)
    }
    socket.setTimeout(1_000, () => done(undefined))
    socket.once('error', () => done(undefined))
    socket.once('data', (data) => done(data.toString()))
    socket.once('connect', () => socket.write(`${command}\r\n`))
  })
}

async function launch(port: number, dir: string, first: string[], args: string[]): Promise<OwnChild> {
  const fixed = ['--port', String(port), '--dir', dir, '--bind', '127.0.0.1', '--daemonize', 'no']
  const volatile = ['--save', '', '--appendonly', 'no', '--enable-debug-command', 'yes']
  const given = [...first, ...fixed, ...(first.length === 0 ? volatile : []), ...args]
  const server = ownChild(redisBinary(), given)
  const ended = server.gone.then(() => 'ended' as const)
  for (const start = Date.now(); Date.now() - start < 15_000;) {
    const reply = await Promise.race([ask(port, 'PING'), ended])
    if (reply === 'ended') throw new Error(`redis-server on port ${port} ended at start:\n${server.output()}`)
    // a password or an ACL answers NOAUTH: up all the same
    if (reply !== undefined && (reply.startsWith('+PONG') || reply.startsWith('-NOAUTH'))) return server
    await sleep(10)
  }
  await end(server, 'SIGKILL')
  throw new Error(`redis-server on port ${port} did not answer within 15 s:\n${server.output()}`)
}

/**
 * Starts a `redis-server` on a free port with its own directory, and waits until it answers.
 *
 * @example
 * const redis = await startRedis({ args: ['--maxmemory', '2mb', '--maxmemory-policy', 'noeviction'] })
 * const client = new Redis(redis.url)
 * // ...
 * await client.quit()
 * await redis.stop()
 */
export async function startRedis(options: StartRedisOptions = {}): Promise<RunningRedis> {
  const dir = mkdtempSync(join(tmpdir(), 'undici-resilience-redis-'))
  const args = options.args ?? []
  const file = join(dir, 'redis.conf')
  if (options.config !== undefined) writeFileSync(file, options.config)
  const first = options.config === undefined ? [] : [file]
  const start = (on: number): Promise<OwnChild> => launch(on, dir, first, args)
  const { port, started } =
    options.port === undefined
      ? await onFreePort(start)
      : { port: options.port, started: await start(options.port) }
  let current = started
  const remove = (): void => rmSync(dir, { recursive: true, force: true })
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    dir,
    get pid() {
      return current.child.pid ?? 0
    },
    async stop() {
      await end(current, 'SIGTERM')
      remove()
    },
    async kill({ keepDir = false } = {}) {
      await end(current, 'SIGKILL')
      if (!keepDir) remove()
    },
    async restart() {
      await end(current, 'SIGKILL')
      mkdirSync(dir, { recursive: true })
      current = await start(port)
    },
    freeze: () => void current.child.kill('SIGSTOP'),
    thaw: () => void current.child.kill('SIGCONT'),
    cli: (...command) => cli(port, command),
  }
}

function cli(port: number, command: string[]): Promise<string> {
  const path = onPath('redis-cli')
  if (path === undefined) {
    throw new Error('redis-cli is not on PATH: it comes with redis-server (redis-tools on Debian)')
  }
  return new Promise((resolve, reject) => {
    const child = spawn(path, ['-p', String(port), ...command], { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => void (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => void (output += chunk.toString()))
    child.once('error', reject)
    // not 'exit': the output may come after it
    child.once('close', (code) =>
      code === 0 ? resolve(output.trimEnd()) : reject(new Error(`redis-cli ${command.join(' ')}: ${output}`)),
    )
  })
}

/** A real server that also speaks TLS, on a port of its own. */
export async function startSecureRedis(certificate: {
  cert: string
  key: string
}): Promise<RunningRedis & { readonly tlsPort: number }> {
  const tlsPort = await freePort()
  const { cert, key } = certificate
  const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert]
  const server = await startRedis({
    args: ['--tls-port', String(tlsPort), ...files, '--tls-auth-clients', 'no'],
  })
  return Object.assign(server, { tlsPort })
}

/** A real cluster of three masters without replicas. */
export interface RunningRedisCluster {
  readonly nodes: readonly RunningRedis[]
  /** For `new Cluster(startupNodes)`. */
  readonly startupNodes: readonly { host: string; port: number }[]
  /** The index in `nodes` of the master that owns the slot now. */
  ownerOf(slot: number): Promise<number>
  /** Moves a slot with all its keys to another master, as `redis-cli --cluster reshard` does, while clients go on. */
  moveSlot(slot: number, to: number): Promise<void>
  stop(): Promise<void>
}

/** Starts three masters that share the 16,384 slots, and waits until each of them calls the cluster ok. */
export async function startRedisCluster(): Promise<RunningRedisCluster> {
  const nodes: RunningRedis[] = []
  const stop = async (): Promise<void> => void (await Promise.all(nodes.map((node) => node.stop())))
  try {
    for (let index = 0; index < 3; index++) {
      // the default bus port, port + 10,000, may lie beyond 65,535
      const bus = String(await freePort())
      const args = ['--cluster-enabled', 'yes', '--cluster-port', bus, '--cluster-node-timeout', '2000']
      nodes.push(await startRedis({ args }))
    }
    await cli(nodes[0]!.port, [
      ...['--cluster', 'create', ...nodes.map((node) => `127.0.0.1:${node.port}`)],
      ...['--cluster-replicas', '0', '--cluster-yes'],
    ])
    for (const node of nodes) await untilClusterOk(node)
  } catch (error) {
    await stop()
    throw error
  }
  const ids = await Promise.all(nodes.map((node) => node.cli('cluster', 'myid')))
  const ownerOf = async (slot: number): Promise<number> => {
    // while a slot moves, a node may know of no owner until the others have told it
    for (const start = Date.now(); Date.now() - start < 5_000; await sleep(20)) {
      for (const node of nodes) {
        for (const line of (await node.cli('cluster', 'nodes')).split('\n')) {
          const [id, , , , , , , , ...ranges] = line.split(' ')
          for (const range of ranges) {
            const [from, to] = range.split('-').map(Number)
            if (from !== undefined && slot >= from && slot <= (to ?? from)) return ids.indexOf(id ?? '')
          }
        }
      }
    }
    throw new Error(`nobody owns slot ${slot}`)
  }
  return {
    nodes,
    startupNodes: nodes.map(({ port }) => ({ host: '127.0.0.1', port })),
    ownerOf,
    async moveSlot(slot, to) {
      const from = await ownerOf(slot)
      const source = nodes[from]!
      const target = nodes[to]!
      const at = String(slot)
      await target.cli('cluster', 'setslot', at, 'importing', ids[from]!)
      await source.cli('cluster', 'setslot', at, 'migrating', ids[to]!)
      for (;;) {
        const keys = (await source.cli('cluster', 'getkeysinslot', at, '100'))
          .split('\n')
          .filter((key) => key !== '')
        if (keys.length === 0) break
        await source.cli('migrate', '127.0.0.1', String(target.port), '', '0', '5000', 'keys', ...keys)
      }
      for (const node of [target, source, ...nodes]) {
        await node.cli('cluster', 'setslot', at, 'node', ids[to]!)
      }
    },
    stop,
  }
}

async function untilClusterOk(node: RunningRedis): Promise<void> {
  for (const start = Date.now(); Date.now() - start < 20_000; await sleep(20)) {
    const info = await node.cli('cluster', 'info')
    if (info.includes('cluster_state:ok') && info.includes('cluster_slots_ok:16384')) return
  }
  throw new Error(`the cluster node on port ${node.port} did not become ok within 20 s`)
}
