import type { Command } from 'commander'
import { readCircuits, type SharedCircuit } from '../circuit-keys.ts'
import {
  addJsonOption,
  addStoreOptions,
  type CommandContext,
  type CommonOptions,
  withStore,
} from '../command-context.ts'
import { sharedBy } from '../shared-store.ts'
import { type Column, tableLines } from '../table.ts'
import { durationText } from '../time-text.ts'

interface ListOptions extends CommonOptions {
  state?: string
}

const examples = `
A key that begins with sha256- stands for one whose characters Redis names cannot hold; it can be used as it is shown.
The counts of a circuit's window are known to the processes that use it.

Example:
  $ undici-resilience circuits list --store redis://127.0.0.1:6379
`

function columns(now: number): Column<SharedCircuit>[] {
  return [
    { title: 'STATE', value: ({ state, override }) => override ?? state },
    { title: 'FOR', value: ({ since }) => durationText(now - since), align: 'right' },
    { title: 'PROBES IN', value: waitText, align: 'right' },
    { title: 'TRIPS', value: ({ trips }) => String(trips), align: 'right' },
    { title: 'KEY', value: ({ key }) => key },
  ]
}

function waitText({ state, override, retryAfterMs }: SharedCircuit): string {
  if (state !== 'open' || override !== undefined) return '-'
  return retryAfterMs === 0 ? 'next call' : durationText(retryAfterMs)
}

export function addCircuitListCommand(parent: Command, context: CommandContext): void {
  const command = parent
    .command('list')
    .description('List the circuits in Redis, of all processes.')
    .addHelpText('after', examples)
  addJsonOption(addStoreOptions(command), 'one circuit per line as JSON')
  command.action(async (options: ListOptions) => {
    const { terminal } = context
    await withStore(options, async (store) => {
      const circuits = await readCircuits(sharedBy(store), options.prefix)
      if (options.json === true) for (const circuit of circuits) terminal.json(circuit)
      else if (circuits.length === 0) terminal.note(`No circuits with the prefix ${options.prefix}.`)
      else terminal.lines(tableLines(columns(context.now()), circuits, terminal.width))
    })
  })
}
