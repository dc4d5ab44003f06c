import type { Command } from 'commander'
import type { DeadLetterFilter } from '../../../dead-letter/store/query/filter.ts'
import type { DeadLetterStats } from '../../../dead-letter/store/stats.ts'
import { bytesText } from '../../../operations/bytes-text.ts'
import {
  type EntryGroup,
  groupedEntries,
  groupingNames,
  groupingOf,
} from '../../../operations/entries/grouped-entries.ts'
import { selectedEntries } from '../../../operations/entries/selected-entries.ts'
import { addFilterOptions, type FilterOptions, filterOf } from '../../arguments/filter-options.ts'
import { addStoreOptions, type CommonOptions } from '../../arguments/store-options.ts'
import { CliError } from '../../cli-error.ts'
import type { CommandContext } from '../../command-context.ts'
import { type Column, fieldLines, tableLines } from '../../terminal/table.ts'
import { ageText, timeText } from '../../terminal/time-text.ts'

interface StatsOptions extends CommonOptions, FilterOptions {
  by?: string
}

const examples = `
Examples:
  $ undici-resilience dead-letters stats --json | jq .byStatus.pending
  $ undici-resilience dead-letters stats --by code --from 2h
  $ undici-resilience dead-letters stats --by label=tenant --status in-doubt
`

const groupColumns: readonly Column<EntryGroup>[] = [
  { title: 'COUNT', value: ({ count }) => String(count), align: 'right' },
  { title: 'OLDEST', value: ({ oldest }) => timeText(oldest) },
  { title: 'NEWEST', value: ({ newest }) => timeText(newest) },
  { title: 'VALUE', value: ({ value }) => value || '-', narrow: 'below', cut: 'middle' },
]

export function addStatsCommand(parent: Command, context: CommandContext): void {
  const command = parent
    .command('stats')
    .description('Show how many entries wait, how they stand, how large and how old they are.')
    .option('--by <what>', `count by one of ${groupingNames.join(', ')}`)
  addFilterOptions(command).addHelpText('after', examples)
  addStoreOptions(command, 'as one JSON object; with --by one per group')
  command.action(async (options: StatsOptions) => {
    const filter = filterOf(options, context.now())
    if (options.by !== undefined) return groups(options, options.by, filter ?? {}, context)
    if (filter !== undefined) throw new CliError('a filter needs --by: without it all entries are counted')
    await context.withStore(options, async ({ deadLetters }) => {
      const stats = await deadLetters.stats()
      if (options.json === true) context.terminal.json(stats)
      else context.terminal.lines(statsLines(stats, context.now()))
    })
  })
}

async function groups(
  options: StatsOptions,
  by: string,
  filter: DeadLetterFilter,
  context: CommandContext,
): Promise<void> {
  const { terminal } = context
  const grouping = groupingOf(by)
  await context.withStore(options, async ({ deadLetters }) => {
    const entries = selectedEntries(deadLetters, filter, Infinity, context.noteUnreadable)
    const found = await groupedEntries(entries, grouping, context.signal)
    if (options.json === true) for (const group of found) terminal.json({ by, ...group })
    else if (found.length === 0) terminal.note('No entries.')
    else terminal.lines(tableLines(groupColumns, found, terminal.width))
    context.noteInterrupted('these are the entries counted so far.')
  })
}

function statsLines(
  { total, byStatus, bytes, oldest, due, counters }: DeadLetterStats,
  now: number,
): string[] {
  return fieldLines([
    ['entries', String(total)],
    ['  pending', `${byStatus.pending} (${due} due now)`],
    ['  leased', String(byStatus.leased)],
    ['  sending', String(byStatus.sending)],
    ['  in doubt', explained(byStatus['in-doubt'], 'may have arrived, must not arrive twice: see list')],
    ['  quarantined', explained(byStatus.quarantined, 'not sent by itself: see list')],
    ['size', bytesText(bytes)],
    ['oldest', oldest === undefined ? '-' : `${timeText(oldest)} (${ageText(oldest, now)} ago)`],
    ['since the store was made', ''],
    ['  captured', String(counters.captured)],
    ['  replayed', String(counters.replayed)],
    ['  evicted', String(counters.evicted)],
    ['  discarded', String(counters.discarded)],
  ])
}

function explained(count: number, what: string): string {
  return count === 0 ? '0' : `${count} (${what})`
}
