import type { Command } from 'commander'
import { overruleCircuit } from '../../../operations/circuits/overrule.ts'
import { addStoreOptions, type CommonOptions } from '../../arguments/store-options.ts'
import type { CommandContext } from '../../command-context.ts'

const actions = [
  {
    name: 'isolate',
    description: 'Refuse every call, in all processes, until reset.',
    example: 'circuits isolate https://api.hubapi.com',
  },
  {
    name: 'force-close',
    description: 'Admit every call, whatever fails, in all processes, until reset.',
    example: 'circuits force-close https://api.hubapi.com',
  },
  {
    name: 'reset',
    description: 'Close the circuit, end an override and forget what was counted, in all processes.',
    example: 'circuits reset https://api.hubapi.com',
  },
] as const

export function addCircuitControlCommands(parent: Command, context: CommandContext): void {
  for (const { name, description, example } of actions) {
    const command = parent
      .command(name)
      .description(description)
      .argument('<key>', 'the key, as list shows it; by default the origin')
      .addHelpText('after', `\nExample:\n  $ undici-resilience ${example}\n`)
    addStoreOptions(command, 'the circuit as JSON')
    command.action(async (key: string, options: CommonOptions) => {
      await context.withStore(options, async (store) => {
        const { circuit, known } = await overruleCircuit(store, key, name)
        if (!known) context.terminal.note(`No process has used ${key} yet; it holds for the first that does.`)
        if (options.json === true) context.terminal.json(circuit)
        else context.terminal.line(`${key} is ${circuit.override ?? circuit.state}`)
      })
    })
  }
}
