import type { Command } from 'commander'
import { discardEntries } from '../../../operations/entries/change-entries.ts'
import { idsOf } from '../../../operations/entries/selection.ts'
import { whyLeft, whyNotDiscarded } from '../../../operations/entries/why-left.ts'
import { addSelectionOptions, type SelectionOptions, selectionOf } from '../../arguments/selection-options.ts'
import { addStoreOptions, type CommonOptions } from '../../arguments/store-options.ts'
import type { CommandContext } from '../../command-context.ts'
import { selectionProgress } from '../../terminal/selection-progress.ts'

interface DiscardOptions extends CommonOptions, SelectionOptions {
  yes?: boolean
}

const examples = `
Entries that are being sent are left alone. A discarded entry does not come back, nor does a later import of it.

Examples:
  $ undici-resilience dead-letters discard 0193a5c2-7d1e-7a3b-9c4d-5e6f708192a3
  $ undici-resilience dead-letters discard --status quarantined --to 30d --yes
`

export function addDiscardCommand(parent: Command, context: CommandContext): void {
  const command = parent.command('discard').description('Remove entries for good.')
  addSelectionOptions(command, 'all entries', 'at most so many, the newest')
    .option('--yes', 'do not ask')
    .addHelpText('after', examples)
  addStoreOptions(command, 'the result as one JSON object')
  command.action(async (ids: string[], options: DiscardOptions) => {
    const { signal, terminal } = context
    const selection = selectionOf(ids, options, context.now())
    await context.withStore(options, async ({ deadLetters, shown }) => {
      const chosen = await idsOf(deadLetters, selection, options.limit, selectionProgress(terminal))
      if (chosen.length === 0) return terminal.note('No entries.')
      const entries = chosen.length === 1 ? 'one entry' : `${chosen.length} entries`
      await terminal.confirm(`Discard ${entries} of ${shown} for good?`, options.yes === true)
      const named = ids.length > 0
      const { changed: discarded, left: untouched } = await discardEntries(deadLetters, chosen, {
        named,
        signal,
        onProgress: (count) => terminal.status(`${count} of ${chosen.length} discarded`),
      })
      for (const id of untouched) terminal.note(`${id}: ${await whyLeft(deadLetters, id, whyNotDiscarded)}`)
      const left = chosen.length - discarded
      const why = named ? '' : ': gone meanwhile, or being sent'
      if (options.json === true) terminal.json({ discarded, left })
      else terminal.line(`${discarded} discarded${left === 0 ? '' : `, ${left} not${why}`}`)
      if (left > 0) context.someFailed()
    })
  })
}
