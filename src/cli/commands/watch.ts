import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { lastCode } from '../../dead-letter/filter.ts'
import type { DeadLetter } from '../../dead-letter/record.ts'
import type { DeadLetterFilter, DeadLetterStats, DeadLetterStore } from '../../dead-letter/store.ts'
import {
  addJsonOption,
  addStoreOptions,
  type CommandContext,
  type CommonOptions,
  withStore,
} from '../command-context.ts'
import { entryToJson } from '../entry-json.ts'
import { addFilterOptions, type FilterOptions, filterOf } from '../filter-options.ts'
import { shownEntry } from '../shown-entry.ts'
import { durationOf, timeText } from '../time-text.ts'

interface WatchOptions extends CommonOptions, FilterOptions {
  interval: string
}

/** The most new entries that one look prints; of a flood the rest is counted only. */
const MAX_NEW = 200

const examples = `
Ends with Ctrl-C. An entry with an older time than the last one seen (a spool that is drained late) shows in the totals.

Example:
  $ undici-resilience dead-letters watch --name hubspot --interval 5s
`

export function addWatchCommand(parent: Command, context: CommandContext): void {
  const command = parent
    .command('watch')
    .description('Print new entries as they come, and the totals as they change.')
  addFilterOptions(command)
    .option('--interval <duration>', 'how often to look', '2s')
    .addHelpText('after', examples)
  addJsonOption(addStoreOptions(command), 'one event per line as JSON')
  command.action(async (options: WatchOptions) => {
    const { signal, terminal } = context
    const interval = Math.max(100, durationOf('--interval', options.interval))
    const filter = filterOf(options, context.now()) ?? {}
    await withStore(options, async ({ deadLetters }) => {
      let seen = await newest(deadLetters, filter)
      let totals = ''
      while (!signal.aborted) {
        const fresh = await newerThan(deadLetters, filter, seen)
        seen = fresh[0] ?? seen
        for (const entry of fresh.reverse()) {
          const shown = shownEntry(entry)
          if (options.json === true) terminal.json({ type: 'entry', entry: entryToJson(shown) })
          else terminal.line(entryLine(shown))
        }
        const stats = await deadLetters.stats()
        const line = totalsLine(stats)
        if (line !== totals) {
          if (options.json === true) terminal.json({ type: 'stats', stats })
          else terminal.line(`${timeText(context.now())}  ${line}`)
        }
        totals = line
        await sleep(interval, undefined, { signal }).catch(() => undefined)
      }
    })
  })
}

type Mark = Pick<DeadLetter, 'timestamp' | 'id'>

async function newest(store: DeadLetterStore, filter: DeadLetterFilter): Promise<Mark> {
  const { items } = await store.list({ ...filter, limit: 1 })
  return items[0] ?? { timestamp: 0, id: '' }
}

/** Entries after the last one seen, newest first. */
async function newerThan(
  store: DeadLetterStore,
  filter: DeadLetterFilter,
  seen: Mark,
): Promise<DeadLetter[]> {
  const from = Math.max(filter.from ?? 0, seen.timestamp)
  const { items } = await store.list({ ...filter, from, limit: MAX_NEW })
  return items.filter(({ timestamp, id }) => timestamp > seen.timestamp || id > seen.id)
}

function entryLine(entry: DeadLetter): string {
  const { id, timestamp, name, reason, request } = entry
  return `${timeText(timestamp)}  ${id}  ${name}  ${reason}  ${lastCode(entry)}  ${request.method} ${request.url}`
}

function totalsLine({ total, byStatus, due, counters }: DeadLetterStats): string {
  const { pending, leased, sending, in_doubt, quarantined } = byStatus
  return (
    `total ${total}: pending ${pending} (due ${due}), held ${leased + sending}, in doubt ${in_doubt}, ` +
    `quarantined ${quarantined}; replayed ${counters.replayed}, evicted ${counters.evicted}`
  )
}
