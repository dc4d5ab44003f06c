import type { Command } from 'commander'
import { entryToJson } from '../../../dead-letter/message/entry-json.ts'
import type { DeadLetter } from '../../../dead-letter/record/record.ts'
import { lastCode } from '../../../dead-letter/store/query/summary.ts'
import { selectedEntries } from '../../../operations/entries/selected-entries.ts'
import { shownEntry } from '../../../operations/entries/shown-entry.ts'
import { addFilterOptions, type FilterOptions, filterOf, integerOf } from '../../arguments/filter-options.ts'
import { addStoreOptions, type CommonOptions } from '../../arguments/store-options.ts'
import type { CommandContext } from '../../command-context.ts'
import { dueInText } from '../../terminal/due-text.ts'
import { type Column, cutTo, tableLines } from '../../terminal/table.ts'
import { ageText } from '../../terminal/time-text.ts'

interface ListOptions extends CommonOptions, FilterOptions {
  limit: number
}

const examples = `
STATUS: pending waits to be replayed; leased and sending are held by a replayer; in-doubt may have arrived and must not
arrive twice; quarantined is not sent by itself. The last two wait for a person, and NOTE says why. DUE: in how long a
replay takes a pending entry by itself; empty where that is now. REASON: why the call ended. CODE: the
status of its answer, or its error.

Examples:
  $ undici-resilience dead-letters list --status pending --from 2h
  $ undici-resilience dead-letters list --origin https://api.hubapi.com --code 503 --limit 500
  $ undici-resilience dead-letters list --json | jq -r .id
`

const NOTE_CHARS = 34

/** Why it is set aside; `show` has all of it. */
function noteOf({ note = '' }: DeadLetter): string {
  return cutTo(note, NOTE_CHARS)
}

/** Columns for what no entry has are left out. */
function entryColumns(rows: readonly DeadLetter[], now: number): Column<DeadLetter>[] {
  const waits = rows.some((row) => dueInText(row, now) !== undefined)
  const notes = rows.some(({ note }) => note !== undefined)
  return [
    { title: 'ID', value: ({ id }) => id },
    { title: 'AGE', value: ({ timestamp }) => ageText(timestamp, now), align: 'right' },
    { title: 'INTEGRATION', value: ({ integration }) => integration.slice(0, 24), narrow: 'below' },
    { title: 'STATUS', value: ({ status }) => status },
    ...(waits ? [{ title: 'DUE', value: (entry: DeadLetter) => dueInText(entry, now) ?? '' }] : []),
    { title: 'REASON', value: ({ reason }) => reason },
    { title: 'CODE', value: (entry) => lastCode(entry).slice(0, 32), narrow: 'below' },
    ...(notes ? [{ title: 'NOTE', value: noteOf, narrow: 'below' } as const] : []),
    {
      title: 'REQUEST',
      value: ({ request }) => `${request.method} ${request.url}`,
      narrow: 'below',
      cut: 'middle',
    },
  ]
}

export function addListCommand(parent: Command, context: CommandContext): void {
  const command = parent.command('list').description('List entries, newest first, without their bodies.')
  addFilterOptions(command)
    .option('--limit <n>', 'at most so many', integerOf(1), 100)
    .addHelpText('after', examples)
  addStoreOptions(command, 'one entry per line as JSON')
  command.action(async (options: ListOptions) => {
    const { terminal } = context
    const filter = filterOf(options, context.now()) ?? {}
    await context.withStore(options, async ({ deadLetters }) => {
      const rows: DeadLetter[] = []
      let count = 0
      const entries = selectedEntries(deadLetters, filter, options.limit + 1, context.noteUnreadable)
      for await (const entry of entries) {
        if (++count > options.limit || context.signal.aborted) break
        const shown = shownEntry(entry)
        if (options.json !== true) rows.push(shown)
        else {
          terminal.json(entryToJson(shown))
          await terminal.drained()
        }
      }
      if (options.json !== true) {
        if (rows.length > 0) {
          terminal.lines(tableLines(entryColumns(rows, context.now()), rows, terminal.width))
        } else terminal.note('No entries.')
      }
      if (count > options.limit) terminal.note(`There are more: --limit is ${options.limit}.`)
    })
  })
}
