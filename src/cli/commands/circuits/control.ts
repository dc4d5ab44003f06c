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

function unknownText(key: string): string {
  return (
    `No process has used ${key} yet: nothing is changed by it now, it holds for the first that does. ` +
    'circuits list shows the keys in use.'
  )
}

/** The keys begin with that of the origin. */
function withText(keys: readonly string[]): string {
  if (keys.length === 0) return ''
  const hashes = keys.map((key) => key.slice(key.indexOf('#'))).join(', ')
  return keys.length === 1 ? `, with ${hashes}` : `, with its ${keys.length} circuits ${hashes}`
}

export function addCircuitControlCommands(parent: Command, context: CommandContext): void {
  for (const { name, description, example } of actions) {
    const command = parent
      .command(name)
      .description(description)
      .argument('<key>', 'the key, as list shows it; an origin stands for all credentials there')
      .addHelpText('after', `\nExample:\n  $ undici-resilience ${example}\n`)
    addStoreOptions(command, 'the circuit as JSON')
    command.action(async (key: string, options: CommonOptions) => {
      await context.withStore(options, async (store) => {
        const { circuit, beneath, known } = await overruleCircuit(store, key, name)
        if (!known) context.terminal.note(unknownText(circuit.key))
        const keys = beneath.map((one) => one.key)
        if (options.json === true) context.terminal.json({ ...circuit, beneath: keys })
        else context.terminal.line(`${circuit.key} is ${circuit.override ?? circuit.state}${withText(keys)}`)
      })
    })
  }
}
