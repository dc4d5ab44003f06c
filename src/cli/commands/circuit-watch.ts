import type { Command } from 'commander'
import type { RedisClient } from '../../stores/redis/connection.ts'
import { circuitChannel, circuitOfMessage, readCircuits, type SharedCircuit } from '../circuit-keys.ts'
import { CliError, exitCodes } from '../cli-error.ts'
import {
  addJsonOption,
  addStoreOptions,
  type CommandContext,
  type CommonOptions,
  withStore,
} from '../command-context.ts'
import { isCluster } from '../../stores/redis/connection.ts'
import { sharedBy } from '../shared-store.ts'
import { durationText, timeText } from '../time-text.ts'

export function addCircuitWatchCommand(parent: Command, context: CommandContext): void {
  const command = parent
    .command('watch')
    .description('Print the circuits, and every transition as it happens in any process.')
    .addHelpText('after', '\nEnds with Ctrl-C.\n\nExample:\n  $ undici-resilience circuits watch --json\n')
  addJsonOption(addStoreOptions(command), 'one circuit per line as JSON')
  command.action(async (options: CommonOptions) => {
    const { terminal, signal } = context
    const tell = (circuit: SharedCircuit): void => {
      if (options.json === true) terminal.json(circuit)
      else terminal.line(circuitLine(circuit))
    }
    await withStore(options, async (store) => {
      const client = sharedBy(store)
      const lost = await subscribed(client, options.prefix, tell)
      for (const circuit of await readCircuits(client, options.prefix)) tell(circuit)
      const stopped = new Promise<undefined>((resolve) => {
        if (signal.aborted) resolve(undefined)
        signal.addEventListener('abort', () => resolve(undefined), { once: true })
      })
      if ((await Promise.race([stopped, lost.gone])) !== undefined) {
        throw new CliError('the connection to Redis was lost', exitCodes.storeUnavailable)
      }
      lost.end()
    })
  })
}

async function subscribed(
  client: RedisClient,
  prefix: string,
  tell: (circuit: SharedCircuit) => void,
): Promise<{ gone: Promise<'gone'>; end: () => void }> {
  const subscriber: RedisClient = isCluster(client) ? client.duplicate() : client.duplicate()
  subscriber.on('error', () => undefined)
  const gone = new Promise<'gone'>((resolve) => subscriber.on('end', () => resolve('gone')))
  subscriber.on('message', (_channel: string, message: string) => {
    const circuit = circuitOfMessage(message)
    if (circuit !== undefined) tell(circuit)
  })
  await subscriber.connect()
  await subscriber.subscribe(circuitChannel(prefix, isCluster(client) ? 0 : (client.options.db ?? 0)))
  return { gone, end: () => subscriber.disconnect() }
}

function circuitLine({ key, state, override, since, retryAfterMs, trips, by }: SharedCircuit): string {
  const wait =
    state === 'open' && override === undefined ? ` for ${durationText(retryAfterMs)}, trip ${trips}` : ''
  return `${timeText(since)}  ${override ?? state}${wait}  ${key}  by ${by === '' ? '-' : by}`
}
