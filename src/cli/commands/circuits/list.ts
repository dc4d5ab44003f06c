import type { Command } from 'commander'
import type { StoredCircuit } from '../../../circuit/shared/directory.ts'
import { listCircuits } from '../../../operations/circuits/directory.ts'
import { addStoreOptions, type CommonOptions } from '../../arguments/store-options.ts'
import type { CommandContext } from '../../command-context.ts'
import { type Column, tableLines } from '../../terminal/table.ts'
import { durationText } from '../../terminal/time-text.ts'

interface ListOptions extends CommonOptions {
  state?: string
}

const examples = `
STATE: closed, open or half-open; isolated or forced-closed is what an operator said, until reset. FOR: how long it has
been so. PROBES IN: how long until an open circuit lets a call through, to see whether the provider is back. TRIPS: how
often it has opened in a row, each time for twice as long as before, up to maxTimeoutMs. KEY: the origin, and where there
is a circuit for each credential, a hash of it behind #.
A key with characters that names in the store cannot hold is shown as sha256-..., and can be used as it is shown.
The counts of a circuit's window are known to the processes that use it.

Example:
  $ undici-resilience circuits list --store redis://127.0.0.1:6379
`

function columns(now: number): Column<StoredCircuit>[] {
  return [
    { title: 'STATE', value: ({ state, override }) => override ?? state },
    { title: 'FOR', value: ({ since }) => durationText(now - since), align: 'right' },
    { title: 'PROBES IN', value: waitText, align: 'right' },
    { title: 'TRIPS', value: ({ trips }) => String(trips), align: 'right' },
    { title: 'KEY', value: ({ key }) => key, cut: 'middle' },
  ]
}

function waitText({ state, override, retryAfterMs }: StoredCircuit): string {
  if (state !== 'open' || override !== undefined) return '-'
  return retryAfterMs === 0 ? 'next call' : durationText(retryAfterMs)
}

export function addCircuitListCommand(parent: Command, context: CommandContext): void {
  const command = parent
    .command('list')
    .description('List the circuits of all processes that share the store.')
    .addHelpText('after', examples)
  addStoreOptions(command, 'one circuit per line as JSON')
  command.action(async (options: ListOptions) => {
    const { terminal } = context
    await context.withStore(options, async (store) => {
      const circuits = await listCircuits(store)
      if (options.json === true) for (const circuit of circuits) terminal.json(circuit)
      else if (circuits.length === 0) terminal.note(`No circuits with the prefix ${options.prefix}.`)
      else terminal.lines(tableLines(columns(context.now()), circuits, terminal.width))
    })
  })
}
