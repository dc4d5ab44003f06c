import type { Command } from 'commander'
import {
  addJsonOption,
  addStoreOptions,
  type CommandContext,
  type CommonOptions,
  someFailed,
  withStore,
} from '../command-context.ts'
import { addFilterOptions, type FilterOptions, filterOf, integerOf } from '../filter-options.ts'
import { checkSelection, selectedIds } from '../selected-entries.ts'

interface RequeueOptions extends CommonOptions, FilterOptions {
  all?: boolean
  limit?: number
}

const CHUNK = 500

const examples = `
Entries that can never be replayed (their body was not kept) stay in quarantine.

Examples:
  $ undici-resilience dead-letters requeue 0193a5c2-7d1e-7a3b-9c4d-5e6f708192a3
  $ undici-resilience dead-letters requeue --status quarantined --name hubspot
`

export function addRequeueCommand(parent: Command, context: CommandContext): void {
  const command = parent
    .command('requeue')
    .description('Bring entries that are in doubt or quarantined back, to be replayed with the others.')
    .argument('[ids...]', 'ids, as list shows them')
  addFilterOptions(command)
    .option('--all', 'all that are in doubt or quarantined')
    .option('--limit <n>', 'at most so many, the newest', integerOf(1))
    .addHelpText('after', examples)
  addJsonOption(addStoreOptions(command), 'the result as one JSON object')
  command.action(async (ids: string[], options: RequeueOptions) => {
    const { terminal } = context
    const filter = filterOf(options, context.now())
    checkSelection(ids, filter, options.all)
    await withStore(options, async ({ deadLetters }) => {
      const chosen =
        ids.length > 0
          ? [...new Set(ids)]
          : await selectedIds(deadLetters, filter ?? {}, options.limit, terminal)
      let requeued = 0
      for (let at = 0; at < chosen.length && !context.signal.aborted; at += CHUNK) {
        requeued += await deadLetters.requeue(chosen.slice(at, at + CHUNK))
      }
      const left = chosen.length - requeued
      if (options.json === true) terminal.json({ requeued, left })
      else
        terminal.line(
          `${requeued} requeued${left === 0 ? '' : `, ${left} not: gone, not set aside, or not replayable`}`,
        )
      if (left > 0 && ids.length > 0) someFailed(context)
    })
  })
}
