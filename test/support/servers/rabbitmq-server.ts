import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import amqp from 'amqplib'
import { binarySource, onPath } from './binary.ts'
import { freePort } from './free-port.ts'
import { end, ownChild, type OwnChild, signalGroup } from './own-child.ts'

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

/** The start script itself: Debian's wrapper on PATH goes to the directories of the one system-wide node. */
const binary = binarySource({
  find() {
    const debian = '/usr/lib/rabbitmq/bin/rabbitmq-server'
    return existsSync(debian) ? debian : onPath('rabbitmq-server')
  },
  debian: 'rabbitmq-server',
  how:
    'These tests need a real rabbitmq-server >= 3.10 on PATH, or below /usr/lib/rabbitmq: ' +
    '`apt-get install rabbitmq-server`, `brew install rabbitmq`, or https://www.rabbitmq.com/docs/download.',
})

interface Place {
  readonly dir: string
  readonly port: number
  readonly distPort: number
  /** Of the name server of Erlang, one of our own: a node would start one that outlives it. */
  readonly epmdPort: number
}

function startEpmd(port: number): OwnChild {
  return ownChild('epmd', ['-port', String(port), '-address', '127.0.0.1'], { detached: true })
}

async function launch({ dir, port, distPort, epmdPort }: Place): Promise<OwnChild> {
  const server = ownChild(binary(), [], {
    // Erlang starts helpers of its own: they go with the group
    detached: true,
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
  for (const start = Date.now(); Date.now() - start < 60_000; await sleep(50)) {
    if (server.ended()) {
      throw new Error(`rabbitmq-server on port ${port} ended at start:\n${server.output()}`)
    }
    try {
      const connection = await amqp.connect(`amqp://guest:guest@127.0.0.1:${port}`)
      await connection.close()
      return server
    } catch {
      // it is still starting
    }
  }
  await endAll(server)
  throw new Error(`rabbitmq-server on port ${port} did not answer within 60 s:\n${server.output()}`)
}

/** The shell that starts it, the node, and its helpers, which outlive the shell for a moment. */
async function endAll(server: OwnChild): Promise<void> {
  await end(server, 'SIGKILL')
  signalGroup(server.child, 'SIGKILL')
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
      await endAll(current)
      await endAll(epmd)
      rmSync(dir, { recursive: true, force: true })
    },
    kill: () => endAll(current),
    async restart() {
      await endAll(current)
      current = await launch(place)
    },
  }
}
