import type { Command } from 'commander'
import { requeueEntries } from '../../../operations/entries/change-entries.ts'
import { setAsideIdsOf } from '../../../operations/entries/selection.ts'
import { whyLeft, whyNotRequeued } from '../../../operations/entries/why-left.ts'
import { addSelectionOptions, type SelectionOptions, selectionOf } from '../../arguments/selection-options.ts'
import { addStoreOptions, type CommonOptions } from '../../arguments/store-options.ts'
import type { CommandContext } from '../../command-context.ts'
import { selectionProgress } from '../../terminal/selection-progress.ts'

type RequeueOptions = CommonOptions & SelectionOptions

const examples = `
Entries that can never be replayed (their body was not kept) stay in quarantine.

Examples:
  $ undici-resilience dead-letters requeue 0193a5c2-7d1e-7a3b-9c4d-5e6f708192a3
  $ undici-resilience dead-letters requeue --status quarantined --integration hubspot
`

export function addRequeueCommand(parent: Command, context: CommandContext): void {
  const command = parent
    .command('requeue')
    .description('Bring entries that are in doubt or quarantined back, to be replayed with the others.')
  addSelectionOptions(
    command,
    'all that are in doubt or quarantined',
    'at most so many, the newest',
  ).addHelpText('after', examples)
  addStoreOptions(command, 'the result as one JSON object')
  command.action(async (ids: string[], options: RequeueOptions) => {
    const { signal, terminal } = context
    const selection = selectionOf(ids, options, context.now())
    await context.withStore(options, async ({ deadLetters }) => {
      const chosen = await setAsideIdsOf(deadLetters, selection, options.limit, selectionProgress(terminal))
      const named = ids.length > 0
      const { changed: requeued, left: untouched } = await requeueEntries(deadLetters, chosen, {
        named,
        signal,
      })
      for (const id of untouched) terminal.note(`${id}: ${await whyLeft(deadLetters, id, whyNotRequeued)}`)
      const left = chosen.length - requeued
      const why = named ? '' : ': gone, or not replayable (list says why)'
      if (options.json === true) terminal.json({ requeued, left })
      else terminal.line(`${requeued} requeued${left === 0 ? '' : `, ${left} not${why}`}`)
      if (left > 0 && named) context.someFailed()
    })
  })
}
