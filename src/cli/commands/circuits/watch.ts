import type { Command } from 'commander'
import type { StoredCircuit } from '../../../circuit/shared/directory.ts'
import { watchCircuits } from '../../../operations/circuits/watch.ts'
import { addStoreOptions, type CommonOptions } from '../../arguments/store-options.ts'
import type { CommandContext } from '../../command-context.ts'
import { durationText, timeText } from '../../terminal/time-text.ts'

export function addCircuitWatchCommand(parent: Command, context: CommandContext): void {
  const command = parent
    .command('watch')
    .description('Print the circuits, and every transition as it happens in any process.')
    .addHelpText(
      'after',
      '\nEnds with Ctrl-C. The words are those of circuits list: see its --help.\n\nExample:\n  $ undici-resilience circuits watch --json\n',
    )
  addStoreOptions(command, 'one circuit per line as JSON')
  command.action(async (options: CommonOptions) => {
    const { terminal, signal } = context
    const tell = (circuit: StoredCircuit): void => {
      if (options.json === true) terminal.json(circuit)
      else terminal.line(circuitLine(circuit))
    }
    await context.withStore(options, (store) => watchCircuits(store, tell, signal))
  })
}

function circuitLine({ key, state, override, since, retryAfterMs, trips, by }: StoredCircuit): string {
  const wait =
    state === 'open' && override === undefined ? ` for ${durationText(retryAfterMs)}, trip ${trips}` : ''
  return `${timeText(since)}  ${override ?? state}${wait}  ${key}  by ${by === '' ? '-' : by}`
}
