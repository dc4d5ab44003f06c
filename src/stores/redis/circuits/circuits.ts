import { makeProcessId } from '../../../circuit/registry.ts'
import { resetBeneath } from '../../../circuit/shared/directory.ts'
import { SharedCircuits, type SharedCircuitsSettings } from '../../../circuit/shared/shared-circuits.ts'
import type { SharedCircuitStore } from '../../../circuit/store.ts'
import { systemScheduler } from '../../../time/clock.ts'
import { CircuitMessages } from '../../circuit-messages.ts'
import { Readiness } from '../../readiness.ts'
import { openConnection, type RedisClient } from '../connection.ts'
import { Unanswered } from '../unanswered.ts'
import { RedisCircuitBackend } from './backend.ts'
import { CircuitChannel } from './channel.ts'
import { RedisCircuitDirectory } from './directory.ts'
import { CircuitLayout } from './layout.ts'
import { RedisLink } from './link.ts'

export interface RedisCircuitsSettings extends Omit<
  SharedCircuitsSettings,
  'name' | 'offset' | 'resetBeneath' | 'release'
> {
  readonly prefix: string
  readonly commandTimeoutMs: number
}

/** Circuits over two connections of our own: commands, and the channel on which transitions are pushed. */
export function redisCircuits(
  source: RedisClient,
  settings: RedisCircuitsSettings,
): SharedCircuitStore & { readonly link: RedisLink } {
  const { prefix, commandTimeoutMs: timeoutMs } = settings
  const layout = new CircuitLayout(source, prefix)
  const by = makeProcessId()
  const readiness = new Readiness(timeoutMs, 'Redis cannot be reached')
  const unanswered = new Unanswered()
  const commands = openConnection(source, timeoutMs, {
    up() {
      readiness.up()
      circuits.connected()
      link.connected()
    },
    down(error) {
      unanswered.lost()
      readiness.down(error)
      circuits.disconnected(error ?? new Error('the connection to Redis was lost'))
      link.disconnected()
    },
  })
  const { client } = commands
  const link = new RedisLink(client, unanswered, layout.channel, by, () => readiness.wait())
  const backend = new RedisCircuitBackend({ client, layout, by, timeoutMs, unanswered })
  const failure = `cannot subscribe to ${layout.channel}`
  const messages = new CircuitMessages(layout.channel, timeoutMs, failure, {
    other: (message) => link.heard(message),
    pushed: ({ id, view, serverMs }) => circuits.pushed(id, view, serverMs),
  })
  const channel = new CircuitChannel(source, timeoutMs, layout.channel, messages, {
    subscribed() {
      circuits.subscribed()
      link.subscribed()
    },
    lost: () => link.unsubscribed(),
  })
  const directory = new RedisCircuitDirectory({
    async connected() {
      await readiness.wait()
      return client
    },
    backend,
    messages,
    layout,
    timeoutMs,
  })
  const release = (): void => {
    channel.close()
    commands.close()
  }
  const circuits: SharedCircuits = new SharedCircuits(
    backend,
    {
      ...settings,
      by,
      name: 'redis',
      offset: performance.timeOrigin,
      resetBeneath: (key) => resetBeneath(directory, key),
      release,
    },
    systemScheduler,
  )
  return Object.assign(circuits, { directory, link })
}
