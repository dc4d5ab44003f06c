import type { Command } from 'commander'
import type { CommandContext } from '../../command-context.ts'
import { addDiscardCommand } from './discard.ts'
import { addEditCommand } from './edit.ts'
import { addExportCommand } from './export.ts'
import { addImportCommand } from './import.ts'
import { addListCommand } from './list.ts'
import { addReplayCommand } from './replay.ts'
import { addRequeueCommand } from './requeue.ts'
import { addShowCommand } from './show.ts'
import { addStatsCommand } from './stats.ts'
import { addWatchCommand } from './watch.ts'

export function addDeadLetterCommands(program: Command, context: CommandContext): void {
  const group = program
    .command('dead-letters')
    .alias('dl')
    .description('Requests that finally failed: look at them, send them again, or let them go.')
  addListCommand(group, context)
  addShowCommand(group, context)
  addStatsCommand(group, context)
  addWatchCommand(group, context)
  addReplayCommand(group, context)
  addRequeueCommand(group, context)
  addEditCommand(group, context)
  addDiscardCommand(group, context)
  addExportCommand(group, context)
  addImportCommand(group, context)
}
