import type { Command } from 'commander'
import { entryToJson } from '../../../dead-letter/message/entry-json.ts'
import type { DeadLetter } from '../../../dead-letter/record/record.ts'
import { lastCode } from '../../../dead-letter/store/query/summary.ts'
import type { DeadLetterStats } from '../../../dead-letter/store/stats.ts'
import { followEntries } from '../../../operations/entries/follow-entries.ts'
import { shownEntry } from '../../../operations/entries/shown-entry.ts'
import { addFilterOptions, type FilterOptions, filterOf } from '../../arguments/filter-options.ts'
import { addStoreOptions, type CommonOptions } from '../../arguments/store-options.ts'
import type { CommandContext } from '../../command-context.ts'
import { durationOf, timeText } from '../../terminal/time-text.ts'

interface WatchOptions extends CommonOptions, FilterOptions {
  interval: string
}

const examples = `
Ends with Ctrl-C. An entry with an older time than the last one seen (a spool that is drained late) shows in the totals.

Example:
  $ undici-resilience dead-letters watch --integration hubspot --interval 5s
`

export function addWatchCommand(parent: Command, context: CommandContext): void {
  const command = parent
    .command('watch')
    .description('Print new entries as they come, and the totals as they change.')
  addFilterOptions(command)
    .option('--interval <duration>', 'how often to look', '2s')
    .addHelpText('after', examples)
  addStoreOptions(command, 'one event per line as JSON')
  command.action(async (options: WatchOptions) => {
    const { signal, terminal } = context
    const interval = Math.max(100, durationOf('--interval', options.interval))
    const filter = filterOf(options, context.now()) ?? {}
    await context.withStore(options, async ({ deadLetters }) => {
      let totals = ''
      for await (const { entries, stats } of followEntries(deadLetters, filter, interval, signal)) {
        for (const entry of entries) {
          const shown = shownEntry(entry)
          if (options.json === true) terminal.json({ type: 'entry', entry: entryToJson(shown) })
          else terminal.line(entryLine(shown))
        }
        const line = totalsLine(stats)
        if (line !== totals) {
          if (options.json === true) terminal.json({ type: 'stats', stats })
          else terminal.line(`${timeText(context.now())}  ${line}`)
        }
        totals = line
      }
    })
  })
}

function entryLine(entry: DeadLetter): string {
  const { id, timestamp, integration: name, reason, request } = entry
  return `${timeText(timestamp)}  ${id}  ${name}  ${reason}  ${lastCode(entry)}  ${request.method} ${request.url}`
}

function totalsLine({ total, byStatus, due, counters }: DeadLetterStats): string {
  const { pending, leased, sending, 'in-doubt': inDoubt, quarantined } = byStatus
  return (
    `total ${total}: pending ${pending} (due ${due}), held ${leased + sending}, in doubt ${inDoubt}, ` +
    `quarantined ${quarantined}; replayed ${counters.replayed}, evicted ${counters.evicted}`
  )
}
