import type { Command } from 'commander'
import type { CommandContext } from '../../command-context.ts'
import { addCircuitControlCommands } from './control.ts'
import { addCircuitListCommand } from './list.ts'
import { addCircuitWatchCommand } from './watch.ts'

export function addCircuitCommands(program: Command, context: CommandContext): void {
  const group = program
    .command('circuits')
    .description('Circuits that processes share through Redis or PostgreSQL: look at them, or overrule them.')
  addCircuitListCommand(group, context)
  addCircuitControlCommands(group, context)
  addCircuitWatchCommand(group, context)
}
