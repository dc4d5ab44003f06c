import { makeProcessId } from '../../../circuit/registry.ts'
import { resetBeneath } from '../../../circuit/shared/directory.ts'
import { SharedCircuits, type SharedCircuitsSettings } from '../../../circuit/shared/shared-circuits.ts'
import type { SharedCircuitStore } from '../../../circuit/store.ts'
import { asError } from '../../../errors.ts'
import { systemScheduler } from '../../../time/clock.ts'
import { CircuitMessages } from '../../circuit-messages.ts'
import { StoreLink } from '../../store-link.ts'
import { PostgresChannel } from '../channel.ts'
import type { ListenClient } from '../client.ts'
import type { PostgresDatabase } from '../database.ts'
import { PostgresCircuitBackend } from './backend.ts'
import { PostgresCircuitDirectory } from './directory.ts'

export interface PostgresCircuitsSettings extends Omit<
  SharedCircuitsSettings,
  'name' | 'offset' | 'resetBeneath' | 'release'
> {
  readonly commandTimeoutMs: number
}

/** How long a first statement that failed is waited with, in milliseconds, before it is tried again. */
const RETRY_MS = 1_000

/** Circuits over the pool, and the channel on which transitions are pushed, over a connection of its own. */
export function postgresCircuits(
  db: PostgresDatabase,
  connect: (() => ListenClient) | undefined,
  settings: PostgresCircuitsSettings,
): SharedCircuitStore & { readonly link: StoreLink } {
  const { commandTimeoutMs: timeoutMs } = settings
  const by = makeProcessId()
  const name = db.channel
  const link = new StoreLink(name, by)
  const backend = new PostgresCircuitBackend({ db, channel: name, by, timeoutMs })
  let timer: NodeJS.Timeout | undefined
  let closed = false
  const release = (): void => {
    closed = true
    clearTimeout(timer)
    channel?.close()
  }
  const circuits: SharedCircuits = new SharedCircuits(
    backend,
    {
      ...settings,
      by,
      name: 'postgres',
      offset: performance.timeOrigin,
      resetBeneath: (key) => resetBeneath(directory, key),
      release,
    },
    systemScheduler,
  )
  const messages = new CircuitMessages(name, timeoutMs, `cannot listen on ${name}`, {
    other: (message) => link.heard(message),
    pushed: ({ id, view, serverMs }) => circuits.pushed(id, view, serverMs),
  })
  const channel =
    connect &&
    new PostgresChannel(name, connect, messages, {
      notify: async (message) =>
        void (await db.query('SELECT pg_notify($1::text, $2::text)::text', [name, message], timeoutMs)),
      subscribed() {
        circuits.subscribed()
        link.subscribed()
      },
      lost: () => link.unsubscribed(),
    })
  const begin = async (): Promise<void> => {
    try {
      await db.ready()
      if (closed) return
      circuits.connected()
      link.connected()
    } catch (error) {
      if (closed) return
      circuits.disconnected(asError(error))
      timer = setTimeout(() => void begin(), RETRY_MS)
      timer.unref()
    }
  }
  void begin()
  const directory = new PostgresCircuitDirectory(backend, channel && messages)
  return Object.assign(circuits, { directory, link })
}
