import type { Command } from 'commander'
import { entryToJson } from '../../../dead-letter/message/entry-json.ts'
import { editedCopy, replaceEntry } from '../../../operations/entries/edit/edit-entry.ts'
import { readEntry } from '../../../operations/entries/read-entry.ts'
import { shownEntry } from '../../../operations/entries/shown-entry.ts'
import { editOf, type EditOptions } from '../../arguments/edit-options.ts'
import { collect } from '../../arguments/filter-options.ts'
import { addStoreOptions, type CommonOptions } from '../../arguments/store-options.ts'
import type { CommandContext } from '../../command-context.ts'
import { entryLines } from '../../terminal/entry-lines.ts'

interface Options extends CommonOptions, EditOptions {
  requeue?: boolean
  yes?: boolean
}

const examples = `
The entry is replaced by an edited copy with a new id, and a new idempotency key where it had one: for the provider it
is another request. The copy is quarantined until it is replayed by its id, or requeued.

--file holds JSON: { "url": "/v2/contacts", "method": "PUT", "headers": { "x-new": "1", "x-old": null }, "body": {...} }

Examples:
  $ undici-resilience dead-letters edit 0193a5c2-7d1e-7a3b-9c4d-5e6f708192a3 --url /v2/contacts --requeue
  $ undici-resilience dead-letters edit 0193a5c2-7d1e-7a3b-9c4d-5e6f708192a3 --body-file fixed.json --yes
`

export function addEditCommand(parent: Command, context: CommandContext): void {
  const command = parent
    .command('edit')
    .description('Change the request of an entry before it is replayed.')
    .argument('<id>', 'its id, as list shows it')
    .option('--url <url>', 'another url, or another path of the same origin')
    .option('--method <method>', 'another method')
    .option('--header <name: value>', 'set a header; may be repeated', collect)
    .option('--remove-header <name>', 'remove a header; may be repeated', collect)
    .option('--body <text>', 'another body')
    .option('--body-file <file>', 'another body, byte for byte')
    .option('--no-body', 'no body')
    .option('--file <file>', 'the changes as JSON')
    .option(
      '--no-redact',
      'store the new body and path in the open, though they may hold a secret by their names',
    )
    .option('--requeue', 'let the copy be replayed with the others')
    .option('--yes', 'do not ask')
    .addHelpText('after', examples)
  addStoreOptions(command, 'the copy as JSON')
  command.action(async (id: string, options: Options) => {
    const { terminal } = context
    // commander makes --no-body the default of --body: true
    const edit = await editOf({
      ...options,
      body: (options.body as string | boolean) === true ? undefined : options.body,
    } as EditOptions)
    await context.withStore(options, async ({ deadLetters }) => {
      const entry = await readEntry(deadLetters, id)
      const record = editedCopy(entry, edit)
      await terminal.confirm(`Replace ${id} by its edited copy?`, options.yes === true)
      await replaceEntry(deadLetters, entry, record)
      if (options.requeue === true && (await deadLetters.requeue([record.id])) === 0) {
        terminal.note('The copy stays in quarantine: it is not replayable as it is.')
      }
      const copy = await deadLetters.get(record.id)
      if (copy === undefined) return terminal.note(`${record.id} was replayed or discarded already`)
      const shown = shownEntry(copy)
      if (options.json === true) terminal.json(entryToJson(shown))
      else terminal.lines(entryLines(shown, context.now()))
    })
  })
}
