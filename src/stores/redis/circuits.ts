import { systemScheduler } from '../../circuit/backend.ts'
import { makeProcessId } from '../../circuit/registry.ts'
import { SharedCircuits, type SharedCircuitsSettings } from '../../circuit/shared-circuits.ts'
import type { CircuitStore } from '../../circuit/store.ts'
import { type CircuitNames, RedisCircuitBackend } from './circuit-backend.ts'
import { decodeView } from './circuit-scripts.ts'
import { type Connection, isCluster, keyPrefixOf, openConnection, type RedisClient } from './connection.ts'

export interface RedisCircuitsSettings extends Omit<SharedCircuitsSettings, 'name' | 'offset'> {
  readonly prefix: string
  readonly commandTimeoutMs: number
}

/** `1`: the version of the keys and messages. Changed when scripts of two releases would not understand each other. */
function namesOf(client: RedisClient, prefix: string): CircuitNames {
  const whole = `${keyPrefixOf(client)}${prefix}:1:`
  // pub/sub knows no databases, keys do
  const db = isCluster(client) ? 0 : (client.options.db ?? 0)
  return { prefix: whole, channel: `${whole}circuits:${db}` }
}

/** Circuits over two connections of our own: commands, and the channel on which transitions are pushed. */
export function redisCircuits(source: RedisClient, settings: RedisCircuitsSettings): CircuitStore {
  const names = namesOf(source, settings.prefix)
  const { commandTimeoutMs } = settings
  const by = makeProcessId()
  const commands = openConnection(source, commandTimeoutMs, {
    up: () => circuits.connected(),
    down: (error) => circuits.disconnected(error ?? new Error('the connection to Redis was lost')),
  })
  const backend = new RedisCircuitBackend(commands.client, names, commandTimeoutMs, by)
  const circuits = new SharedCircuits(
    backend,
    { ...settings, by, name: 'redis', offset: performance.timeOrigin },
    systemScheduler,
  )
  const subscription = subscribe(source, commandTimeoutMs, names.channel, circuits)
  const close = circuits.close.bind(circuits)
  circuits.close = async () => {
    await close()
    subscription.close()
    commands.close()
  }
  return circuits
}

function subscribe(
  source: RedisClient,
  timeoutMs: number,
  channel: string,
  circuits: SharedCircuits,
): Connection {
  let warned = false
  const connection = openConnection(source, timeoutMs, {
    up() {
      connection.client.subscribe(channel).then(
        () => circuits.syncAll(),
        // the connection was lost again, and comes up again; or the user may not subscribe, and the poll has to do
        (error: unknown) => warn(`cannot subscribe to ${channel}: ${String(error)}`),
      )
    },
    down: () => undefined,
  })
  const warn = (message: string): void => {
    if (warned) return
    warned = true
    process.emitWarning(`undici-resilience: ${message}`, 'ResilienceWarning')
  }
  connection.client.on('message', (from: string, message: string) => {
    if (from !== channel) return
    const [version, id, ...rest] = message.split(' ')
    const sent = version === '1' ? decodeView(rest.join(' ')) : undefined
    // a later version's messages are not for us; the poll tells what they say
    if (id === undefined || sent === undefined || !circuits.pushed(id, sent.view, sent.serverMs)) {
      warn(`ignored a message on ${channel} that is not ours: ${JSON.stringify(message.slice(0, 100))}`)
    }
  })
  return connection
}
