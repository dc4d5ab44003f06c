import type { Command } from 'commander'
import type { DeadLetterStats } from '../../dead-letter/store.ts'
import { bytesText } from '../bytes-text.ts'
import {
  addJsonOption,
  addStoreOptions,
  type CommandContext,
  type CommonOptions,
  withStore,
} from '../command-context.ts'
import { fieldLines } from '../table.ts'
import { ageText, timeText } from '../time-text.ts'

export function addStatsCommand(parent: Command, context: CommandContext): void {
  const command = parent
    .command('stats')
    .description('Show how many entries wait, how they stand, how large and how old they are.')
    .addHelpText(
      'after',
      '\nExample:\n  $ undici-resilience dead-letters stats --json | jq .byStatus.pending\n',
    )
  addJsonOption(addStoreOptions(command), 'as one JSON object')
  command.action(async (options: CommonOptions) => {
    await withStore(options, async ({ deadLetters }) => {
      const stats = await deadLetters.stats()
      if (options.json === true) context.terminal.json(stats)
      else context.terminal.lines(statsLines(stats, context.now()))
    })
  })
}

export function statsLines(
  { total, byStatus, bytes, oldest, due, counters }: DeadLetterStats,
  now: number,
): string[] {
  return fieldLines([
    ['entries', String(total)],
    ['  pending', `${byStatus.pending} (${due} due now)`],
    ['  leased', String(byStatus.leased)],
    ['  sending', String(byStatus.sending)],
    ['  in doubt', String(byStatus.in_doubt)],
    ['  quarantined', String(byStatus.quarantined)],
    ['size', bytesText(bytes)],
    ['oldest', oldest === undefined ? '-' : `${timeText(oldest)} (${ageText(oldest, now)} ago)`],
    ['since the store was made', ''],
    ['  captured', String(counters.captured)],
    ['  replayed', String(counters.replayed)],
    ['  evicted', String(counters.evicted)],
    ['  discarded', String(counters.discarded)],
  ])
}
