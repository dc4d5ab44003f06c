import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { resolveCircuitBreakerOptions } from '../../circuit/options.ts'
import type { CircuitSnapshot, CircuitStore } from '../../circuit/store.ts'
import { circuitExists } from '../circuit-keys.ts'
import { CliError, exitCodes } from '../cli-error.ts'
import {
  addJsonOption,
  addStoreOptions,
  type CommandContext,
  type CommonOptions,
  withStore,
} from '../command-context.ts'
import { sharedBy } from '../shared-store.ts'

/** How long the store's own connection may take, in milliseconds. */
const CONNECT_MS = 5_000

const actions = [
  {
    name: 'isolate',
    description: 'Refuse every call, in all processes, until reset.',
    example: 'circuits isolate https://api.hubapi.com',
    does: (circuits: CircuitStore, key: string) => circuits.isolate(key),
  },
  {
    name: 'force-close',
    description: 'Admit every call, whatever fails, in all processes, until reset.',
    example: 'circuits force-close https://api.hubapi.com',
    does: (circuits: CircuitStore, key: string) => circuits.forceClose(key),
  },
  {
    name: 'reset',
    description: 'Close the circuit, end an override and forget what was counted, in all processes.',
    example: 'circuits reset https://api.hubapi.com',
    does: (circuits: CircuitStore, key: string) => circuits.reset(key),
  },
] as const

export function addCircuitControlCommands(parent: Command, context: CommandContext): void {
  for (const { name, description, example, does } of actions) {
    const command = parent
      .command(name)
      .description(description)
      .argument('<key>', 'the key, as list shows it; by default the origin')
      .addHelpText('after', `\nExample:\n  $ undici-resilience ${example}\n`)
    addJsonOption(addStoreOptions(command), 'the circuit as JSON')
    command.action(async (key: string, options: CommonOptions) => {
      await withStore(options, async (store) => {
        const known = await circuitExists(sharedBy(store), options.prefix, key)
        const circuit = await overrule(store.circuits, key, does)
        if (!known) context.terminal.note(`No process has used ${key} yet; it holds for the first that does.`)
        if (options.json === true) context.terminal.json(circuit)
        else context.terminal.line(`${key} is ${circuit.override ?? circuit.state}`)
      })
    })
  }
}

/**
 * Does it in the store, or says that it was not done. `CircuitStore` itself never fails: while its connection is away
 * it decides for this process, which ends at once.
 */
async function overrule(
  circuits: CircuitStore,
  key: string,
  does: (circuits: CircuitStore, key: string) => Promise<void>,
): Promise<CircuitSnapshot> {
  circuits.circuit(key, resolveCircuitBreakerOptions({}).policy)
  const deadline = performance.now() + CONNECT_MS
  while (circuits.state(key).epoch === 0 && performance.now() < deadline) await sleep(10)
  if (circuits.state(key).epoch > 0) await does(circuits, key)
  const circuit = circuits.state(key)
  if (circuit.epoch > 0 && !circuit.degraded) return circuit
  throw new CliError(
    'Redis did not answer: nothing was changed, as far as is known',
    exitCodes.storeUnavailable,
  )
}
