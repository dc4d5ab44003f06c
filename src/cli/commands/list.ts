import type { Command } from 'commander'
import { lastCode } from '../../dead-letter/filter.ts'
import type { DeadLetter } from '../../dead-letter/record.ts'
import {
  addJsonOption,
  addStoreOptions,
  type CommandContext,
  type CommonOptions,
  someFailed,
  withStore,
} from '../command-context.ts'
import { entryToJson } from '../entry-json.ts'
import { addFilterOptions, type FilterOptions, filterOf, integerOf } from '../filter-options.ts'
import { selectedEntries } from '../selected-entries.ts'
import { shownEntry } from '../shown-entry.ts'
import { type Column, tableLines } from '../table.ts'
import { ageText } from '../time-text.ts'

interface ListOptions extends CommonOptions, FilterOptions {
  limit: number
}

const examples = `
Examples:
  $ undici-resilience dead-letters list --status pending --from 2h
  $ undici-resilience dead-letters list --origin https://api.hubapi.com --code 503 --limit 500
  $ undici-resilience dead-letters list --json | jq -r .id
`

export function entryColumns(now: number): Column<DeadLetter>[] {
  return [
    { title: 'ID', value: ({ id }) => id },
    { title: 'AGE', value: ({ timestamp }) => ageText(timestamp, now), align: 'right' },
    { title: 'NAME', value: ({ name }) => name.slice(0, 24) },
    { title: 'STATUS', value: ({ status }) => status },
    { title: 'REASON', value: ({ reason }) => reason },
    { title: 'CODE', value: (entry) => lastCode(entry).slice(0, 32) },
    { title: 'REQUEST', value: ({ request }) => `${request.method} ${request.url}` },
  ]
}

export function addListCommand(parent: Command, context: CommandContext): void {
  const command = parent.command('list').description('List entries, newest first, without their bodies.')
  addFilterOptions(command)
    .option('--limit <n>', 'at most so many', integerOf(1), 100)
    .addHelpText('after', examples)
  addJsonOption(addStoreOptions(command), 'one entry per line as JSON')
  command.action(async (options: ListOptions) => {
    const { terminal } = context
    const filter = filterOf(options, context.now()) ?? {}
    await withStore(options, async ({ deadLetters }) => {
      const rows: DeadLetter[] = []
      let count = 0
      const entries = selectedEntries(deadLetters, filter, options.limit + 1, ({ id, message }) => {
        terminal.note(`${id} cannot be read: ${message}`)
        someFailed(context)
      })
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
        if (rows.length > 0) terminal.lines(tableLines(entryColumns(context.now()), rows, terminal.width))
        else terminal.note('No entries.')
      }
      if (count > options.limit) terminal.note(`There are more: --limit is ${options.limit}.`)
    })
  })
}
