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

interface DiscardOptions extends CommonOptions, FilterOptions {
  all?: boolean
  yes?: boolean
  limit?: number
}

const CHUNK = 500

const examples = `
Entries that are being sent are left alone. A discarded entry does not come back, nor does a later import of it.

Examples:
  $ undici-resilience dead-letters discard 0193a5c2-7d1e-7a3b-9c4d-5e6f708192a3
  $ undici-resilience dead-letters discard --status quarantined --to 30d --yes
`

export function addDiscardCommand(parent: Command, context: CommandContext): void {
  const command = parent
    .command('discard')
    .description('Remove entries for good.')
    .argument('[ids...]', 'ids, as list shows them')
  addFilterOptions(command)
    .option('--all', 'all entries')
    .option('--limit <n>', 'at most so many, the newest', integerOf(1))
    .option('--yes', 'do not ask')
    .addHelpText('after', examples)
  addJsonOption(addStoreOptions(command), 'the result as one JSON object')
  command.action(async (ids: string[], options: DiscardOptions) => {
    const { terminal } = context
    const filter = filterOf(options, context.now())
    checkSelection(ids, filter, options.all)
    await withStore(options, async ({ deadLetters, shown }) => {
      const chosen =
        ids.length > 0
          ? [...new Set(ids)]
          : await selectedIds(deadLetters, filter ?? {}, options.limit, terminal)
      if (chosen.length === 0) return terminal.note('No entries.')
      const entries = chosen.length === 1 ? 'one entry' : `${chosen.length} entries`
      await terminal.confirm(`Discard ${entries} of ${shown} for good?`, options.yes === true)
      let discarded = 0
      for (let at = 0; at < chosen.length && !context.signal.aborted; at += CHUNK) {
        discarded += await deadLetters.discard(chosen.slice(at, at + CHUNK))
        terminal.status(`${discarded} of ${chosen.length} discarded`)
      }
      const left = chosen.length - discarded
      if (options.json === true) terminal.json({ discarded, left })
      else
        terminal.line(
          `${discarded} discarded${left === 0 ? '' : `, ${left} not: gone already, or being sent`}`,
        )
      if (left > 0) someFailed(context)
    })
  })
}
